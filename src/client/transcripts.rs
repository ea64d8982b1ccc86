//! Turning recordings into text, by a speech recogniser loaded next to the chat model.

use std::rc::Rc;

use leptos::prelude::*;
use parlance_protocol::openai::{Capability, Endpoint, TranscriptionEvent, TranscriptionFormat, TranscriptionRequest};
use parlance_protocol::{Event, Failure, FailureKind, ModelSource, Phase, Reason, Request, RequestId, is_ggml_name};
use serde_json::Value;
use wasm_bindgen::JsValue;

use super::Client;
use super::pending::TranscriptEvent;
use super::state::LoadProgress;

impl Client {
    /// The URL of a speech recogniser on this device, the one used last first. Reactive.
    pub(crate) fn speech_model(self) -> Option<String> {
        let storage = self.stored.get()?.ok()?;
        let hears = |capabilities: &[Capability]| capabilities.contains(&Capability::Transcription);
        let is_one = storage.models.into_iter().find(|model| {
            let known = model.abilities.as_ref().map(|abilities| hears(&abilities.capabilities));
            model.done_bytes >= model.len_bytes && known.unwrap_or_else(|| is_ggml_name(&model.name))
        });
        is_one.map(|model| model.url)
    }

    /// The same, once the engine has told what is on this device.
    pub(crate) async fn find_speech_model(self) -> Result<Option<String>, Failure> {
        if let Event::Storage { storage, .. } = self.call(|id| Request::Storage { id }).await? {
            self.stored.set(Some(Ok(storage)));
        }
        Ok(untrack(move || self.speech_model()))
    }

    /// How far a speech recogniser is loaded, while one is.
    pub(crate) fn speech_load(self) -> Signal<Option<LoadProgress>> {
        self.speech_load.into()
    }

    /// Loads a speech recogniser next to the chat model, if it is not loaded.
    pub(crate) async fn load_speech(self, url: String) -> Result<(), Failure> {
        let id = self.next_request();
        let request = Request::Load {
            id,
            source: ModelSource::Url { url },
            projector: Some(String::new()),
            draft_model: None,
            context_tokens: None,
            beside: true,
            unless_loaded: false,
        };
        self.link.update_value(|link| link.speech_load = Some(id));
        let loaded = self.call_as(id, request).await;
        self.link.update_value(|link| link.speech_load = None);
        self.speech_load.set(None);
        self.list_stored();
        loaded.map(|_| ())
    }

    /// Stops loading it. What is stored stays.
    pub(crate) fn cancel_speech_load(self) {
        if let Some(id) = self.link.with_value(|link| link.speech_load) {
            self.interrupt(id);
        }
    }

    /// Transcribes a recording, a file or an `Int16Array` of 16,000 samples per second, whose events go to `sink`.
    pub(crate) fn transcribe(self, sound: &JsValue, sink: impl Fn(TranscriptEvent) + 'static) -> RequestId {
        let id = self.next_request();
        self.link.update_value(|link| {
            link.transcripts.insert(id, Rc::new(sink));
        });
        let request = TranscriptionRequest {
            response_format: Some(TranscriptionFormat::VerboseJson),
            stream: Value::Bool(true),
            ..TranscriptionRequest::default()
        };
        // Plain structs with string keys always serialise.
        let body = serde_json::to_value(request).unwrap_or_default();
        self.send_with(Request::Api { id, endpoint: Endpoint::Transcriptions, body }, Vec::new(), sound);
        id
    }

    /// Takes an event about a transcript or a recogniser that is loaded; returns it if it is about something else.
    pub(super) fn hear(self, event: Event) -> Option<Event> {
        let is_load = |id: RequestId| self.link.with_value(|link| link.speech_load == Some(id));
        let is_transcript = |id: RequestId| self.link.with_value(|link| link.transcripts.contains_key(&id));
        match event {
            Event::Progress { id, phase, done, total, seconds } if is_load(id) => {
                self.speech_load.set(Some(LoadProgress { phase, done_bytes: done, total_bytes: total, seconds }));
            }
            Event::Progress { id, phase: Phase::Decode, done, .. } if is_transcript(id) => {
                self.report_transcript(id, TranscriptEvent::Decoding(done));
            }
            Event::Progress { id, done, total, .. } if is_transcript(id) => {
                self.report_transcript(id, TranscriptEvent::Listening(done, total.unwrap_or(done)));
            }
            Event::Chunk { id, body } if is_transcript(id) => {
                if let Ok(TranscriptionEvent::Delta { segment: Some(part), .. }) = serde_json::from_value(body) {
                    self.report_transcript(id, TranscriptEvent::Part(part));
                }
            }
            Event::Response { id, .. } if is_transcript(id) => self.end_transcript(id, TranscriptEvent::Finished),
            Event::Failed { id, failure } if is_transcript(id) => {
                self.end_transcript(id, TranscriptEvent::Failed(failure));
            }
            event => return Some(event),
        }
        None
    }

    fn end_transcript(self, id: RequestId, event: TranscriptEvent) {
        let sink = self.link.try_update_value(|link| link.transcripts.remove(&id)).flatten();
        if let Some(sink) = sink {
            sink(event);
        }
    }

    /// Fails all transcripts: the worker is gone, with what it had heard.
    pub(super) fn end_transcripts(self, message: &str) {
        let sinks = self.link.try_update_value(|link| std::mem::take(&mut link.transcripts)).unwrap_or_default();
        let failure = Failure::new(FailureKind::Crashed, message)
            .with_reason(Reason::EngineStopped { detail: message.to_owned() });
        leptos::task::spawn_local(async move {
            for sink in sinks.into_values() {
                sink(TranscriptEvent::Failed(failure.clone()));
            }
        });
    }

    fn report_transcript(self, id: RequestId, event: TranscriptEvent) {
        if let Some(sink) = self.link.with_value(|link| link.transcripts.get(&id).cloned()) {
            sink(event);
        }
    }
}

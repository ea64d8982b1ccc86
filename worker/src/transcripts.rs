//! Requests for transcripts: the recording is decoded, then a speech recogniser listens. If its device fails, it is loaded
//! again, once.

use futures::future::{Either, select};
use parlance_api::{Control, TranscriptionJob};
use parlance_engine::EngineError;
use parlance_engine::runtime::Loaded;
use parlance_protocol::openai::{Capability, Endpoint};
use parlance_protocol::{Event, Phase, RequestId};
use serde_json::Value;
use wasm_bindgen::JsValue;
use web_time::Instant;

use crate::client::Client;
use crate::error::WorkerError;
use crate::interrupts::Guard;
use crate::server::Server;
use crate::sound::{Recording, decode};

/// Reports on one request to its client.
struct Reporter<'a> {
    client: &'a Client,
    id: RequestId,
    guard: &'a Guard,
    start: Instant,
}

impl Control for Reporter<'_> {
    fn prefilling(&self, _done: usize, _total: usize) {}

    fn listening(&self, seconds: f64, total: f64) {
        self.client.report(self.id, Phase::Listen, seconds, Some(total), self.start);
    }

    fn chunk(&self, body: Value) {
        self.client.post(&Event::Chunk { id: self.id, body });
    }

    async fn stopped(&self) {
        self.guard.stopped().await;
    }
}

impl Reporter<'_> {
    /// The recording of the request, decoded.
    async fn recording(&self, sound: &JsValue) -> Result<Recording, WorkerError> {
        let report = |done: f64| self.client.report(self.id, Phase::Decode, done, Some(1.0), self.start);
        let decoded = std::pin::pin!(decode(sound, report));
        match select(std::pin::pin!(self.guard.stopped()), decoded).await {
            Either::Left(_) => Err(EngineError::Interrupted.into()),
            Either::Right((recording, _)) => recording.inspect(|_| report(1.0)),
        }
    }
}

impl Server {
    /// Transcribes a recording, or translates it.
    pub(crate) async fn transcribe(
        &mut self,
        client: &Client,
        id: RequestId,
        guard: &Guard,
        endpoint: Endpoint,
        (body, sound): (&Value, &JsValue),
    ) -> Result<Event, WorkerError> {
        let name = body.get("model").and_then(Value::as_str);
        let index = self.find(client, id, guard, name, Capability::Transcription).await?;
        let mut job = TranscriptionJob::new(body, endpoint == Endpoint::Translations)?;
        let reporter = Reporter { client, id, guard, start: Instant::now() };
        let recording = reporter.recording(sound).await?;
        let error = match self.listen(index, &mut job, &recording, &reporter).await {
            Err(error) if error.is_gpu() => error,
            result => return Ok(Event::Response { id, body: result? }),
        };
        let spec = self.models.model(index).spec.clone();
        self.forget_all();
        self.load_now(client, id, guard, spec).await?;
        client.post(&Event::Recovered { message: error.to_string() });
        let Some(index) = self.models.latest(Capability::Transcription) else { return Err(error) };
        let body = self.listen(index, &mut job, &recording, &reporter).await?;
        Ok(Event::Response { id, body })
    }

    async fn listen(
        &mut self,
        index: usize,
        job: &mut TranscriptionJob,
        recording: &Recording,
        reporter: &Reporter<'_>,
    ) -> Result<Option<Value>, WorkerError> {
        self.note_use(index);
        let Loaded::Transcriber(transcriber) = &mut self.models.model_mut(index).model.loaded else {
            return Err(WorkerError::NoTranscriber);
        };
        Ok(job.run(transcriber, recording, reporter).await?)
    }
}

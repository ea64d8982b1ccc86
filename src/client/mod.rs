//! The reactive client of the engine worker: methods send requests, signals show the state.
//!
//! It starts the worker on first use and replaces it when it dies (`recovery.rs`). `answers.rs` requests answers, `candidate.rs` describes
//! what to load, `context.rs` changes the context length, `downloads.rs` fetches a model while another one answers, `embeddings.rs` embeds texts, `linked.rs` handles the model
//! named in the URL, `stored.rs` manages downloaded models, and `transcripts.rs`
//! turns recordings into text.

mod answers;
mod candidate;
mod context;
mod downloads;
mod embeddings;
mod linked;
mod pending;
mod recovery;
mod state;
mod stored;
mod transcripts;

use std::collections::HashMap;
use std::time::Duration;

use futures::channel::oneshot;
use leptos::prelude::*;
use leptos::reactive::owner::LocalStorage;
use parlance_protocol::library::ChatModel;
use parlance_protocol::openai::Usage;
use parlance_protocol::{
    Event, Failure, FailureKind, ModelInfo, ModelSource, Phase, Reason, Request, RequestId, StorageInfo,
};
use wasm_bindgen::JsValue;
use web_sys::File;

pub(crate) use candidate::Candidate;
pub(crate) use pending::{AnswerEvent, TranscriptEvent};
use pending::{PendingAnswer, TranscriptSink};
pub(crate) use state::{Download, DownloadState, EngineState, Inspection, LoadProgress};

use crate::i18n::tf;
use crate::options::Options;
use crate::settings::SettingsContext;
use crate::storage;
use crate::transport::{SiteWorker, Transport, TransportEvent};

/// How long a worker may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A request to load a model, kept to load the model again.
#[derive(Clone)]
struct LoadRequest {
    candidate: Candidate,
    context_tokens: Option<u32>,
    /// Do nothing if another tab has already loaded a model.
    unless_loaded: bool,
}

/// A request to inspect a model, kept to repeat it if the worker dies.
#[derive(Clone)]
struct InspectRequest {
    candidate: Candidate,
    context_tokens: Option<u32>,
}

/// Non-reactive state: the worker and its pending requests.
#[derive(Default)]
struct Link {
    transport: Option<Transport>,
    /// Workers started so far.
    worker_count: u32,
    /// Whether a worker died and its replacement has not finished an answer, a load or an inspection yet.
    is_recovering: bool,
    last_request: RequestId,
    load: Option<(RequestId, LoadRequest)>,
    inspection: Option<(RequestId, InspectRequest)>,
    download: Option<RequestId>,
    answers: HashMap<RequestId, PendingAnswer>,
    transcripts: HashMap<RequestId, TranscriptSink>,
    /// The request that loads a speech recogniser.
    speech_load: Option<RequestId>,
    replies: HashMap<RequestId, oneshot::Sender<Event>>,
}

impl Link {
    fn next_request(&mut self) -> RequestId {
        self.last_request += 1;
        self.last_request
    }
}

/// The page's handle to the engine; cheap to copy.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    engine: RwSignal<EngineState>,
    inspection: RwSignal<Option<Inspection>>,
    stored: RwSignal<Option<Result<StorageInfo, Failure>>>,
    verified: RwSignal<HashMap<String, bool>>,
    notice: RwSignal<Option<String>>,
    usages: RwSignal<Vec<Usage>>,
    /// The model that is fetched while another one answers.
    download: RwSignal<Option<Download>>,
    /// How far a speech recogniser is loaded, while one is.
    speech_load: RwSignal<Option<LoadProgress>>,
    /// The model that the URL names, until the user has decided about it.
    linked: RwSignal<Option<String>>,
    options: StoredValue<Options>,
    settings: SettingsContext,
    link: StoredValue<Link, LocalStorage>,
}

impl Client {
    /// A client that has not started a worker yet.
    pub(crate) fn new(options: Options, settings: SettingsContext) -> Self {
        Self {
            engine: RwSignal::new(EngineState::Empty),
            inspection: RwSignal::new(None),
            stored: RwSignal::new(None),
            verified: RwSignal::new(HashMap::new()),
            notice: RwSignal::new(None),
            usages: RwSignal::new(Vec::new()),
            download: RwSignal::new(None),
            speech_load: RwSignal::new(None),
            linked: RwSignal::new(options.linked_model.clone()),
            options: StoredValue::new(options),
            settings,
            link: StoredValue::new_local(Link::default()),
        }
    }

    /// The engine's state.
    pub(crate) fn engine(self) -> Signal<EngineState> {
        self.engine.into()
    }

    /// The model that is currently ready. Not reactive.
    pub(crate) fn ready_model(self) -> Option<ModelInfo> {
        match &*self.engine.read_untracked() {
            EngineState::Ready(model) => Some(model.clone()),
            _ => None,
        }
    }

    /// Whether a model is being loaded.
    pub(crate) fn is_loading(self) -> Signal<bool> {
        Signal::derive(move || matches!(*self.engine.read(), EngineState::Loading(_)))
    }

    /// Generation statistics of this visit's answers, oldest first.
    pub(crate) fn usages(self) -> Signal<Vec<Usage>> {
        self.usages.into()
    }

    /// A notice about a past event, until the user dismisses it.
    pub(crate) fn notice(self) -> RwSignal<Option<String>> {
        self.notice
    }

    /// Loads the demo model, which is preferred from now on.
    pub(crate) fn load_default(self) {
        storage::prefer_model(None);
        self.load(self.default_source(), Vec::new(), None);
    }

    /// Loads the model that the user prefers, or else the demo model, unless another tab of the site has already loaded one.
    pub(crate) fn load_default_unless_loaded(self) {
        self.load_preferred(true);
    }

    fn load_preferred(self, unless_loaded: bool) {
        let candidate = match storage::preferred_model() {
            Some(model) => Candidate::of_model(model),
            None => Candidate::of_source(self.default_source(), Vec::new()),
        };
        self.load_request(LoadRequest { candidate, context_tokens: None, unless_loaded });
    }

    /// Whether a model is the demo model.
    pub(crate) fn is_demo(self, model: &ModelInfo) -> bool {
        self.options.with_value(|options| model.url.as_deref() == Some(&*options.demo_model))
    }

    /// Loads a model that the user chose by name, in place of the current one. It is preferred from now on.
    pub(crate) fn load_chosen(self, model: &ChatModel) {
        let is_demo = self.options.with_value(|options| options.demo_model == model.url);
        storage::prefer_model(Some(model).filter(|_| !is_demo));
        storage::agree_to_load();
        self.load_candidate(Candidate::of_model(model.clone()), None);
    }

    fn default_source(self) -> ModelSource {
        ModelSource::Url { url: self.options.read_value().demo_model.clone() }
    }

    /// Loads a model in place of the current one. Without `context_tokens`, the URL, the settings or the worker choose the context length.
    pub(crate) fn load(self, source: ModelSource, files: Vec<File>, context_tokens: Option<u32>) {
        self.load_candidate(Candidate::of_source(source, files), context_tokens);
    }

    /// The same, with what is to be loaded beside it.
    pub(crate) fn load_candidate(self, candidate: Candidate, context_tokens: Option<u32>) {
        // Choosing a model also decides about the linked one.
        self.linked.set(None);
        self.load_request(LoadRequest { candidate, context_tokens, unless_loaded: false });
    }

    fn load_request(self, mut request: LoadRequest) {
        let id = self.next_request();
        request.context_tokens = request
            .context_tokens
            .or_else(|| self.options.read_value().context_tokens)
            .or_else(|| self.settings.0.with_untracked(|settings| settings.context_tokens));
        self.link.update_value(|link| link.load = Some((id, request.clone())));
        self.engine.set(EngineState::Loading(LoadProgress {
            phase: Phase::Start,
            done_bytes: 0.0,
            total_bytes: None,
            seconds: 0.0,
        }));
        let LoadRequest { candidate, context_tokens, unless_loaded } = request;
        let draft_model = candidate.draft_source();
        let Candidate { source, files, projector, .. } = candidate;
        let request =
            Request::Load { id, source, projector, draft_model, context_tokens, beside: false, unless_loaded };
        self.send(request, files);
    }

    /// The source of the model requested last.
    pub(crate) fn last_source(self) -> Option<ModelSource> {
        self.link.with_value(|link| link.load.as_ref().map(|(_, request)| request.candidate.source.clone()))
    }

    /// Reloads the last model, in a new worker if the old one died.
    pub(crate) fn retry(self) {
        if let Some((_, request)) = self.link.with_value(|link| link.load.clone()) {
            self.load_request(request);
        } else {
            self.linked.set(None);
            self.load_preferred(false);
        }
    }

    /// Sends the current settings to the worker and reloads the ready model, if any, to apply them.
    pub(crate) fn reconfigure(self) {
        self.configure();
        if matches!(*self.engine.read_untracked(), EngineState::Ready(_)) {
            self.link.update_value(|link| {
                if let Some((_, request)) = &mut link.load {
                    // Reload even if another tab has already loaded it.
                    request.unless_loaded = false;
                }
            });
            self.retry();
        }
    }

    /// Reads a model's header to find out what it is and whether it fits; see [`Client::inspection`]. Returns the inspection's id.
    pub(crate) fn inspect(self, candidate: Candidate, context_tokens: Option<u32>) -> RequestId {
        let id = self.next_request();
        let request = InspectRequest { candidate, context_tokens };
        self.link.update_value(|link| link.inspection = Some((id, request)));
        self.request_inspection();
        id
    }

    /// Sends the request for the latest inspection.
    fn request_inspection(self) {
        let Some((id, request)) = self.link.with_value(|link| link.inspection.clone()) else { return };
        let InspectRequest { candidate, context_tokens } = request;
        let draft_model = candidate.draft_source();
        let Candidate { source, files, projector, .. } = candidate;
        self.inspection.set(Some(Inspection::Pending));
        self.send(Request::Inspect { id, source, projector, draft_model, context_tokens }, files);
    }

    /// The latest inspection.
    pub(crate) fn inspection(self) -> Signal<Option<Inspection>> {
        self.inspection.into()
    }

    /// Discards an inspection, unless a newer one has started.
    pub(crate) fn end_inspection_of(self, id: RequestId) {
        if self.is_inspection(id) {
            self.link.update_value(|link| link.inspection = None);
            self.inspection.set(None);
        }
    }

    /// Cancels loading.
    pub(crate) fn cancel_load(self) {
        if let Some((id, _)) = self.link.with_value(|link| link.load.clone()) {
            self.send(Request::Interrupt { id }, Vec::new());
        }
    }

    /// Unloads the model.
    pub(crate) fn unload(self) {
        self.send(Request::Unload { id: self.next_request(), model: None }, Vec::new());
        self.engine.set(EngineState::Empty);
    }

    fn next_request(self) -> RequestId {
        self.link.try_update_value(Link::next_request).unwrap_or_default()
    }

    /// Posts a request to the worker, starting it if necessary.
    fn send(self, request: Request, files: Vec<File>) {
        self.send_with(request, files, &JsValue::UNDEFINED);
    }

    /// The same, with a recording.
    fn send_with(self, request: Request, files: Vec<File>, sound: &JsValue) {
        if self.link.with_value(|link| link.transport.is_none()) {
            match Transport::start(SiteWorker::Engine, move |event| self.receive(event)) {
                Ok(transport) => self.link.update_value(|link| {
                    link.transport = Some(transport);
                    link.worker_count += 1;
                }),
                Err(message) => return self.worker_died(&message),
            }
            let worker = self.link.with_value(|link| link.worker_count);
            set_timeout(move || self.check_start(worker), START_LIMIT);
            self.configure();
        }
        let posted = self
            .link
            .with_value(|link| link.transport.as_ref().map(|worker| worker.post_request(&request, &files, sound)));
        if let Some(Err(message)) = posted {
            self.worker_died(&message);
        }
    }

    fn receive(self, event: TransportEvent<Event>) {
        match event {
            TransportEvent::Event(event, _) => self.handle(*event),
            TransportEvent::Died(message) => self.worker_died(&message),
        }
    }

    fn handle(self, event: Event) {
        let Some(event) = self.reply(event).and_then(|event| self.hear(event)) else { return };
        match event {
            Event::Ready => self.started(),
            Event::Progress { id, phase: Phase::Prefill, done, total, .. } => self.prefill_progress(id, done, total),
            Event::Progress { id, phase: Phase::See, done, total, .. } => self.see_progress(id, done, total),
            Event::Progress { id, phase: Phase::Download, done, total, seconds } if self.is_download(id) => {
                self.download_progress(LoadProgress {
                    phase: Phase::Download,
                    done_bytes: done,
                    total_bytes: total,
                    seconds,
                });
            }
            Event::Fetched { id } if self.is_download(id) => self.fetched(),
            Event::Progress { id, phase, done, total, seconds } if self.is_current_load(id) => {
                let progress = LoadProgress { phase, done_bytes: done, total_bytes: total, seconds };
                self.engine.set(EngineState::Loading(progress));
            }
            Event::Loaded { id, model } if self.is_current_load(id) => self.loaded(model),
            Event::ModelChanged { model } => self.model_changed(model),
            Event::Inspected { id, model } if self.is_inspection(id) => {
                self.link.update_value(|link| link.is_recovering = false);
                self.inspection.set(Some(Inspection::Done(model)));
            }
            Event::Chunk { id, body } => self.take_chunk(id, body),
            Event::Response { id, .. } => self.finished(id),
            Event::Storage { storage, .. } => self.stored.set(Some(Ok(storage))),
            Event::Verified { url, is_intact, .. } => self.verified.update(|verified| {
                verified.insert(url, is_intact);
            }),
            Event::Recovered { message } => {
                self.notice.set(Some(tf("model-recovered", [("message", message.into())])));
            }
            Event::Failed { id, failure } => self.failed(id, failure),
            Event::Panicked { message } => self.worker_died(&message),
            Event::Progress { .. }
            | Event::Loaded { .. }
            | Event::Inspected { .. }
            | Event::Fetched { .. }
            | Event::Unloaded { .. }
            | Event::Counted { .. }
            | Event::Saved { .. } => {}
        }
    }

    fn failed(self, id: RequestId, failure: Failure) {
        if self.is_current_load(id) {
            self.engine.set(match failure.kind {
                FailureKind::Interrupted => EngineState::Empty,
                _ => EngineState::Failed(failure),
            });
        } else if self.is_inspection(id) {
            self.inspection.set(Some(Inspection::Failed(failure)));
        } else if self.is_download(id) {
            self.fetch_failed(failure);
        } else if self.pending_answer(id).is_some() {
            if failure.kind == FailureKind::Gpu {
                // The model is gone with its device; reloading it opens a new device.
                self.engine.set(EngineState::Failed(failure.clone()));
            }
            self.answer_failed(id, failure);
        } else if failure.kind != FailureKind::Interrupted {
            // One that was stopped is of no interest any more.
            self.stored.set(Some(Err(failure)));
        }
    }

    fn is_current_load(self, id: RequestId) -> bool {
        self.link.with_value(|link| link.load.as_ref().is_some_and(|(load_id, _)| *load_id == id))
    }

    fn is_inspection(self, id: RequestId) -> bool {
        self.link.with_value(|link| link.inspection.as_ref().is_some_and(|(latest, _)| *latest == id))
    }

    fn loaded(self, model: ModelInfo) {
        self.link.update_value(|link| link.is_recovering = false);
        self.engine.set(if model.can_chat {
            EngineState::Ready(model)
        } else {
            let message = format!("{} is an embedding model and cannot chat", model.name);
            EngineState::Failed(Failure::new(FailureKind::Unsupported, message).with_reason(Reason::CannotChat))
        });
    }

    /// Another tab loaded or unloaded a model, or it was unloaded because it was idle. This tab's own loads are reported by `Event::Loaded`.
    fn model_changed(self, model: Option<ModelInfo>) {
        if matches!(self.engine.get_untracked(), EngineState::Loading(_)) {
            return;
        }
        match model {
            Some(model) if model.can_chat => self.engine.set(EngineState::Ready(model)),
            Some(_) => {}
            None => self.engine.set(EngineState::Empty),
        }
    }
}

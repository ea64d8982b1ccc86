//! The reactive worker client: the page sends requests by methods and sees events as signals.
//!
//! It owns the worker's life (`recovery.rs`): it starts it on first use, notices when it dies, and starts it anew. `answers.rs` asks;
//! `context.rs` has the model loaded with another context; `linked.rs` asks about the model that the address names; `storage.rs` is about
//! models kept on this device.

mod answers;
mod context;
mod embeddings;
mod linked;
mod recovery;
mod storage;

use std::collections::HashMap;
use std::time::Duration;

use futures::channel::oneshot;
use js_sys::{Array, Object, Reflect};
use leptos::prelude::*;
use leptos::reactive::owner::LocalStorage;
use parlance_protocol::openai::Usage;
use parlance_protocol::{
    Event, FILES_KEY, Failure, FailureKind, ModelDescription, ModelInfo, ModelSource, Phase, REQUEST_KEY, Reason,
    Request, RequestId, StorageInfo,
};
use wasm_bindgen::JsValue;
use web_sys::File;

pub(crate) use answers::AnswerEvent;
use answers::Asked;

use crate::i18n::tf;
use crate::options::Options;
use crate::settings::SettingsContext;
use crate::transport::{SiteWorker, Transport, TransportEvent, describe, to_js};

/// How long a worker may take to start before it is given up.
const START_LIMIT: Duration = Duration::from_secs(60);

/// What the engine is doing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum EngineState {
    /// No model is loaded.
    Empty,
    /// A model is being loaded.
    Loading(LoadProgress),
    /// A model is ready.
    Ready(ModelInfo),
    /// Loading failed, or the worker died.
    Failed(Failure),
}

/// What is known of a model that the user considers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Inspection {
    /// Its header is being read.
    Pending,
    /// It is usable.
    Done(ModelDescription),
    /// It is not.
    Failed(Failure),
}

/// How far loading is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LoadProgress {
    /// What it is doing.
    pub(crate) phase: Phase,
    /// Bytes done.
    pub(crate) done_bytes: f64,
    /// Bytes in all, if known.
    pub(crate) total_bytes: Option<f64>,
    /// Seconds since the phase began.
    pub(crate) seconds: f64,
}

/// A model with what is needed to load it again.
#[derive(Clone)]
struct LoadRequest {
    source: ModelSource,
    files: Vec<File>,
    context_tokens: Option<u32>,
    /// Any model that another tab has loaded will do.
    unless_loaded: bool,
}

/// What is not for views: the worker and what was asked of it.
#[derive(Default)]
struct Link {
    transport: Option<Transport>,
    /// Workers started so far.
    worker_count: u32,
    /// Whether a worker died and none of its successors has finished an answer or a load since.
    is_recovering: bool,
    last_request: RequestId,
    load: Option<(RequestId, LoadRequest)>,
    inspection: Option<RequestId>,
    answers: HashMap<RequestId, Asked>,
    replies: HashMap<RequestId, oneshot::Sender<Event>>,
}

impl Link {
    fn next_request(&mut self) -> RequestId {
        self.last_request += 1;
        self.last_request
    }
}

/// The page's handle to the engine; copied freely.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    engine: RwSignal<EngineState>,
    inspection: RwSignal<Option<Inspection>>,
    stored: RwSignal<Option<Result<StorageInfo, Failure>>>,
    verified: RwSignal<HashMap<String, bool>>,
    notice: RwSignal<Option<String>>,
    answered: RwSignal<Vec<Usage>>,
    /// The model that the address names, until the user has decided on it.
    linked: RwSignal<Option<String>>,
    options: StoredValue<Options>,
    settings: SettingsContext,
    link: StoredValue<Link, LocalStorage>,
}

impl Client {
    /// A client without a worker yet.
    pub(crate) fn new(options: Options, settings: SettingsContext) -> Self {
        Self {
            engine: RwSignal::new(EngineState::Empty),
            inspection: RwSignal::new(None),
            stored: RwSignal::new(None),
            verified: RwSignal::new(HashMap::new()),
            notice: RwSignal::new(None),
            answered: RwSignal::new(Vec::new()),
            linked: RwSignal::new(options.linked_model.clone()),
            options: StoredValue::new(options),
            settings,
            link: StoredValue::new_local(Link::default()),
        }
    }

    /// What the engine is doing.
    pub(crate) fn engine(self) -> Signal<EngineState> {
        self.engine.into()
    }

    /// The model that is ready, now.
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

    /// What the answers of this visit took, oldest first.
    pub(crate) fn answered(self) -> Signal<Vec<Usage>> {
        self.answered.into()
    }

    /// Something that happened and is over; told once.
    pub(crate) fn notice(self) -> RwSignal<Option<String>> {
        self.notice
    }

    /// Loads the demo model.
    pub(crate) fn load_default(self) {
        self.load(self.default_source(), Vec::new(), None);
    }

    /// The same, unless another tab of the site has a model loaded already.
    pub(crate) fn load_default_unless_loaded(self) {
        self.load_request(LoadRequest {
            source: self.default_source(),
            files: Vec::new(),
            context_tokens: None,
            unless_loaded: true,
        });
    }

    fn default_source(self) -> ModelSource {
        ModelSource::Url { url: self.options.read_value().demo_model.clone() }
    }

    /// Loads a model in place of the one loaded, with a context of `context_tokens` or what the address or the worker
    /// chooses.
    pub(crate) fn load(self, source: ModelSource, files: Vec<File>, context_tokens: Option<u32>) {
        // Whoever chooses a model has decided on that of the address, too.
        self.linked.set(None);
        self.load_request(LoadRequest { source, files, context_tokens, unless_loaded: false });
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
        let LoadRequest { source, files, context_tokens, unless_loaded } = request;
        self.send(Request::Load { id, source, context_tokens, beside: false, unless_loaded }, files);
    }

    /// Where the model that was asked for last comes from.
    pub(crate) fn last_source(self) -> Option<ModelSource> {
        self.link.with_value(|link| link.load.as_ref().map(|(_, request)| request.source.clone()))
    }

    /// Loads the last model again, in a new worker if the old one died.
    pub(crate) fn retry(self) {
        match self.link.with_value(|link| link.load.clone()) {
            Some((_, request)) => self.load_request(request),
            None => self.load_default(),
        }
    }

    /// Tells the worker what the user has chosen now, and loads a model that is ready again by it.
    pub(crate) fn reconfigure(self) {
        self.configure();
        if matches!(*self.engine.read_untracked(), EngineState::Ready(_)) {
            self.link.update_value(|link| {
                if let Some((_, request)) = &mut link.load {
                    // That another tab has it loaded already is no reason to leave it as it is.
                    request.unless_loaded = false;
                }
            });
            self.retry();
        }
    }

    /// Reads the header of a model, to say what it is and whether it fits; see [`Client::inspection`]. Gives the inspection's number.
    pub(crate) fn inspect(self, source: ModelSource, files: Vec<File>, context_tokens: Option<u32>) -> RequestId {
        let id = self.next_request();
        self.link.update_value(|link| link.inspection = Some(id));
        self.inspection.set(Some(Inspection::Pending));
        self.send(Request::Inspect { id, source, context_tokens }, files);
        id
    }

    /// What is known of the model inspected last.
    pub(crate) fn inspection(self) -> Signal<Option<Inspection>> {
        self.inspection.into()
    }

    /// Forgets the model of an inspection, unless another one has begun.
    pub(crate) fn end_inspection_of(self, id: RequestId) {
        if self.is_inspection(id) {
            self.end_inspection();
        }
    }

    fn end_inspection(self) {
        self.link.update_value(|link| link.inspection = None);
        self.inspection.set(None);
    }

    /// Stops loading.
    pub(crate) fn cancel_load(self) {
        if let Some((id, _)) = self.link.with_value(|link| link.load.clone()) {
            self.send(Request::Interrupt { id }, Vec::new());
        }
    }

    /// Frees the model's memory.
    pub(crate) fn unload(self) {
        self.send(Request::Unload { id: self.next_request(), model: None }, Vec::new());
        self.engine.set(EngineState::Empty);
    }

    fn next_request(self) -> RequestId {
        self.link.try_update_value(Link::next_request).unwrap_or_default()
    }

    /// Posts a request to the worker, which is started if there is none.
    fn send(self, request: Request, files: Vec<File>) {
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
        let posted = self.link.with_value(|link| link.transport.as_ref().map(|worker| post(worker, &request, &files)));
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
        let Some(event) = self.reply(event) else { return };
        match event {
            Event::Ready => self.started(),
            Event::Progress { id, phase: Phase::Prefill, done, total, .. } => self.prefilling(id, done, total),
            Event::Progress { id, phase, done, total, seconds } if self.is_current_load(id) => {
                let progress = LoadProgress { phase, done_bytes: done, total_bytes: total, seconds };
                self.engine.set(EngineState::Loading(progress));
            }
            Event::Loaded { id, model } if self.is_current_load(id) => self.loaded(model),
            Event::ModelChanged { model } => self.model_changed(model),
            Event::Inspected { id, model } if self.is_inspection(id) => {
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
        } else if self.asked(id).is_some() {
            if failure.kind == FailureKind::Gpu {
                // The model went with its device; loading it again opens a new one.
                self.engine.set(EngineState::Failed(failure.clone()));
            }
            self.answer_failed(id, failure);
        } else {
            self.stored.set(Some(Err(failure)));
        }
    }

    fn is_current_load(self, id: RequestId) -> bool {
        self.link.with_value(|link| link.load.as_ref().is_some_and(|(load_id, _)| *load_id == id))
    }

    fn is_inspection(self, id: RequestId) -> bool {
        self.link.with_value(|link| link.inspection == Some(id))
    }

    fn loaded(self, model: ModelInfo) {
        self.link.update_value(|link| link.is_recovering = false);
        self.engine.set(if model.can_chat {
            EngineState::Ready(model)
        } else {
            let message = format!("{} turns texts into vectors; it cannot chat", model.name);
            EngineState::Failed(Failure::new(FailureKind::Unsupported, message).with_reason(Reason::CannotChat))
        });
    }

    /// Another tab loaded or freed a model, or it was idle; what this tab loads itself is told otherwise.
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

/// Posts a request, with the files it names beside it.
fn post(worker: &Transport, request: &Request, files: &[File]) -> Result<(), String> {
    let message = Object::new();
    let files: Array = files.iter().collect();
    let entries: [(&str, JsValue); 2] = [(REQUEST_KEY, to_js(request)?), (FILES_KEY, files.into())];
    for (key, value) in entries {
        Reflect::set(&message, &key.into(), &value).map_err(|error| describe(&error))?;
    }
    worker.post(&message)
}

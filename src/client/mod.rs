//! The reactive worker client: the page sends requests by methods and sees events as signals.
//!
//! It owns the worker's life: it starts it on first use, notices when it dies, and starts it anew on retry.

mod transport;

use std::collections::HashMap;
use std::time::Duration;

use leptos::prelude::*;
use leptos::reactive::owner::LocalStorage;
use parlance_protocol::{
    Event, Failure, FailureKind, FinishReason, Message, ModelDescription, ModelInfo, ModelSource, Phase, Request,
    RequestId, Role, Usage,
};
use reactive_stores::Store;
use web_sys::File;

use crate::conversation::{
    AnswerState, ChatMessage, ChatMessageStoreFields as _, Conversation, ConversationStoreFields as _, MessageId,
};
use crate::options::Options;
use transport::{Transport, TransportEvent};

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
}

/// What is not for views: the worker and which request belongs to which message.
#[derive(Default)]
struct Link {
    transport: Option<Transport>,
    /// Workers started so far.
    worker_count: u32,
    /// Requests that wait for the worker to start: before that the browser would drop them. `None` once it runs.
    waiting: Option<Vec<(Request, Vec<File>)>>,
    last_request: RequestId,
    load: Option<(RequestId, LoadRequest)>,
    inspection: Option<RequestId>,
    answers: HashMap<RequestId, MessageId>,
    last_message: MessageId,
}

impl Link {
    fn next_request(&mut self) -> RequestId {
        self.last_request += 1;
        self.last_request
    }

    fn next_message(&mut self) -> MessageId {
        self.last_message += 1;
        self.last_message
    }
}

/// The page's handle to the engine; copied freely.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    engine: RwSignal<EngineState>,
    inspection: RwSignal<Option<Inspection>>,
    conversation: Store<Conversation>,
    options: StoredValue<Options>,
    link: StoredValue<Link, LocalStorage>,
}

impl Client {
    /// A client without a worker yet.
    pub(crate) fn new(options: Options) -> Self {
        Self {
            engine: RwSignal::new(EngineState::Empty),
            inspection: RwSignal::new(None),
            conversation: Store::new(Conversation::default()),
            options: StoredValue::new(options),
            link: StoredValue::new_local(Link::default()),
        }
    }

    /// What the engine is doing.
    pub(crate) fn engine(self) -> Signal<EngineState> {
        self.engine.into()
    }

    /// The conversation on screen.
    pub(crate) fn conversation(self) -> Store<Conversation> {
        self.conversation
    }

    /// Whether an answer is under way.
    pub(crate) fn is_answering(self) -> Signal<bool> {
        Signal::derive(move || {
            let messages = self.conversation.messages();
            messages.read().last().is_some_and(|message| message.state.is_active())
        })
    }

    /// Loads the model that the address names, or the demo model.
    pub(crate) fn load_default(self) {
        let url = self.options.read_value().model_url.clone();
        self.load(ModelSource::Url { url }, Vec::new(), None);
    }

    /// Loads a model in place of the one loaded, with a context of `context_tokens` or what the address or the worker
    /// chooses.
    pub(crate) fn load(self, source: ModelSource, files: Vec<File>, context_tokens: Option<u32>) {
        let id = self.link.try_update_value(Link::next_request).unwrap_or_default();
        let context_tokens = context_tokens.or_else(|| self.options.read_value().context_tokens);
        let request = LoadRequest { source: source.clone(), files: files.clone(), context_tokens };
        self.link.update_value(|link| link.load = Some((id, request)));
        self.engine.set(EngineState::Loading(LoadProgress {
            phase: Phase::Start,
            done_bytes: 0.0,
            total_bytes: None,
            seconds: 0.0,
        }));
        self.send(Request::Load { id, source, context_tokens }, files);
    }

    /// Loads the last model again, in a new worker if the old one died.
    pub(crate) fn retry(self) {
        match self.link.with_value(|link| link.load.clone()) {
            Some((_, LoadRequest { source, files, context_tokens })) => self.load(source, files, context_tokens),
            None => self.load_default(),
        }
    }

    /// Loads the last model again with another context.
    pub(crate) fn retry_with_context(self, context_tokens: u32) {
        if let Some((_, LoadRequest { source, files, .. })) = self.link.with_value(|link| link.load.clone()) {
            self.load(source, files, Some(context_tokens));
        }
    }

    /// Reads the header of a model, to say what it is and whether it fits; see [`Client::inspection`].
    pub(crate) fn inspect(self, source: ModelSource, files: Vec<File>, context_tokens: Option<u32>) {
        let id = self.link.try_update_value(Link::next_request).unwrap_or_default();
        self.link.update_value(|link| link.inspection = Some(id));
        self.inspection.set(Some(Inspection::Pending));
        self.send(Request::Inspect { id, source, context_tokens }, files);
    }

    /// What is known of the model inspected last.
    pub(crate) fn inspection(self) -> Signal<Option<Inspection>> {
        self.inspection.into()
    }

    /// Forgets the model inspected last.
    pub(crate) fn end_inspection(self) {
        self.link.update_value(|link| link.inspection = None);
        self.inspection.set(None);
    }

    /// Stops loading.
    pub(crate) fn cancel_load(self) {
        if let Some((id, _)) = self.link.with_value(|link| link.load.clone()) {
            self.send(Request::Interrupt { id }, Vec::new());
        }
    }

    /// Adds a message of the user's and asks for the answer. A model that is not loaded yet is loaded first.
    pub(crate) fn ask(self, text: String) {
        self.push_message(Role::User, text, AnswerState::Done(FinishReason::Stop, Usage::default()));
        let messages = self.conversation.messages().read_untracked().iter().filter_map(to_protocol).collect();
        let message_id = self.push_message(Role::Assistant, String::new(), AnswerState::Waiting(None));
        if matches!(self.engine.get_untracked(), EngineState::Empty | EngineState::Failed(_)) {
            self.retry();
        }
        let id = self.link.try_update_value(Link::next_request).unwrap_or_default();
        self.link.update_value(|link| {
            link.answers.insert(id, message_id);
        });
        let (sampling, max_tokens) = self.options.with_value(|options| (options.sampling, options.max_tokens));
        // The worker takes requests in order, so this one waits for the model.
        self.send(Request::Chat { id, messages, sampling, max_tokens }, Vec::new());
    }

    /// Stops the answer under way; its text stays.
    pub(crate) fn stop(self) {
        for id in self.link.with_value(|link| link.answers.keys().copied().collect::<Vec<_>>()) {
            self.send(Request::Interrupt { id }, Vec::new());
        }
    }

    /// Begins a new conversation.
    pub(crate) fn start_new_chat(self) {
        self.stop();
        self.link.update_value(|link| link.answers.clear());
        self.conversation.messages().write().clear();
    }

    /// Frees the model's memory.
    pub(crate) fn unload(self) {
        self.send(Request::Unload, Vec::new());
    }

    fn push_message(self, role: Role, content: String, state: AnswerState) -> MessageId {
        let id = self.link.try_update_value(Link::next_message).unwrap_or_default();
        self.conversation.messages().write().push(ChatMessage { id, role, content, state });
        id
    }

    /// Posts a request to the worker, which is started if there is none.
    fn send(self, request: Request, files: Vec<File>) {
        if self.link.with_value(|link| link.transport.is_none()) {
            match Transport::start(move |event| self.receive(event)) {
                Ok(transport) => self.link.update_value(|link| {
                    link.waiting = Some(Vec::new());
                    link.transport = Some(transport);
                    link.worker_count += 1;
                }),
                Err(message) => return self.worker_died(&message),
            }
            let worker = self.link.with_value(|link| link.worker_count);
            set_timeout(move || self.check_start(worker), START_LIMIT);
        }
        let is_waiting = self.link.try_update_value(|link| match &mut link.waiting {
            Some(waiting) => {
                waiting.push((request.clone(), files.clone()));
                true
            }
            None => false,
        });
        if is_waiting == Some(false) {
            self.post(&request, &files);
        }
    }

    fn post(self, request: &Request, files: &[File]) {
        let posted = self.link.with_value(|link| link.transport.as_ref().map(|worker| worker.post(request, files)));
        if let Some(Err(message)) = posted {
            self.worker_died(&message);
        }
    }

    fn post_waiting(self) {
        let waiting = self.link.try_update_value(|link| link.waiting.take()).flatten();
        for (request, files) in waiting.unwrap_or_default() {
            self.post(&request, &files);
        }
    }

    /// Gives up the worker of this number if it still has not started.
    fn check_start(self, worker: u32) {
        let is_silent = |link: &Link| link.worker_count == worker && link.transport.is_some() && link.waiting.is_some();
        if self.link.with_value(is_silent) {
            self.worker_died("it did not start within a minute");
        }
    }

    fn receive(self, event: TransportEvent) {
        match event {
            TransportEvent::Event(event) => self.handle(event),
            TransportEvent::Died(message) => self.worker_died(&message),
        }
    }

    fn handle(self, event: Event) {
        match event {
            Event::Ready => self.post_waiting(),
            Event::Progress { id, phase: Phase::Prefill, done, total, .. } => {
                let share = total.filter(|total| *total > 0.0).map(|total| done / total);
                self.update_answer(id, |state, _| *state = AnswerState::Waiting(share));
            }
            Event::Progress { id, phase, done, total, seconds } if self.is_current_load(id) => {
                let progress = LoadProgress { phase, done_bytes: done, total_bytes: total, seconds };
                self.engine.set(EngineState::Loading(progress));
            }
            Event::Loaded { id, model } if self.is_current_load(id) => self.loaded(model),
            Event::Inspected { id, model } if self.is_inspection(id) => {
                self.inspection.set(Some(Inspection::Done(model)));
            }
            Event::Progress { .. } | Event::Loaded { .. } | Event::Inspected { .. } | Event::Embedded { .. } => {}
            Event::Unloaded => self.engine.set(EngineState::Empty),
            Event::Delta { id, text } => self.append(id, &text),
            Event::Finished { id, reason, usage } => {
                self.update_answer(id, |state, _| *state = AnswerState::Done(reason, usage));
                self.forget(id);
            }
            Event::Failed { id, failure } if self.is_current_load(id) => self.load_failed(failure),
            Event::Failed { id, failure } if self.is_inspection(id) => {
                self.inspection.set(Some(Inspection::Failed(failure)));
            }
            Event::Failed { id, failure } => {
                if failure.kind == FailureKind::Gpu {
                    // The model went with its device; loading it again opens a new one.
                    self.engine.set(EngineState::Failed(failure.clone()));
                }
                self.update_answer(id, |state, _| *state = AnswerState::Failed(failure));
                self.forget(id);
            }
            Event::Panicked { message } => self.worker_died(&message),
        }
    }

    fn is_current_load(self, id: RequestId) -> bool {
        self.link.with_value(|link| link.load.as_ref().is_some_and(|(load_id, _)| *load_id == id))
    }

    fn is_inspection(self, id: RequestId) -> bool {
        self.link.with_value(|link| link.inspection == Some(id))
    }

    fn loaded(self, model: ModelInfo) {
        self.engine.set(if model.can_chat {
            EngineState::Ready(model)
        } else {
            EngineState::Failed(Failure {
                kind: FailureKind::Unsupported,
                message: format!("{} turns texts into vectors; it cannot chat", model.name),
                suggested_context_tokens: None,
            })
        });
    }

    fn load_failed(self, failure: Failure) {
        self.engine.set(match failure.kind {
            FailureKind::Interrupted => EngineState::Empty,
            _ => EngineState::Failed(failure),
        });
    }

    fn append(self, id: RequestId, text: &str) {
        self.update_answer(id, |state, content| {
            content.push_str(text);
            *state = AnswerState::Streaming;
        });
    }

    /// Changes the message that request `id` answers, if it is still on screen, and only the fields that change.
    fn update_answer(self, id: RequestId, change: impl FnOnce(&mut AnswerState, &mut String)) {
        let Some(message_id) = self.link.with_value(|link| link.answers.get(&id).copied()) else { return };
        let messages = self.conversation.messages();
        if !messages.read_untracked().iter().any(|message| message.id == message_id) {
            return;
        }
        let mut state = messages.at_key(message_id).state().get_untracked();
        let before = state.clone();
        let mut added = String::new();
        change(&mut state, &mut added);
        if !added.is_empty() {
            messages.at_key(message_id).content().update(|content| content.push_str(&added));
        }
        if state != before {
            messages.at_key(message_id).state().set(state);
        }
    }

    fn forget(self, id: RequestId) {
        self.link.update_value(|link| {
            link.answers.remove(&id);
        });
    }

    /// Ends the worker and tells the user; what was answered so far stays on screen.
    fn worker_died(self, message: &str) {
        let failure = Failure {
            kind: FailureKind::Crashed,
            message: format!("The engine stopped working: {message}. Your conversation is still here; try again."),
            suggested_context_tokens: None,
        };
        let ids: Vec<_> = self.link.with_value(|link| link.answers.keys().copied().collect());
        for id in ids {
            let failure = failure.clone();
            self.update_answer(id, |state, _| *state = AnswerState::Failed(failure));
        }
        self.link.update_value(|link| {
            link.transport = None;
            link.answers.clear();
        });
        if self.inspection.read_untracked().is_some() {
            self.inspection.set(Some(Inspection::Failed(failure.clone())));
        }
        self.engine.set(EngineState::Failed(failure));
    }
}

/// A message as the engine takes it; answers that never got a word are left out.
fn to_protocol(message: &ChatMessage) -> Option<Message> {
    let is_empty = message.role == Role::Assistant && message.content.is_empty();
    (!is_empty).then(|| Message { role: message.role, content: message.content.clone() })
}

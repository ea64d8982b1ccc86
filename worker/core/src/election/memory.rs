//! What a following worker remembers of its page's requests, to repeat them to the next leader.

use std::collections::BTreeMap;

use parlance_protocol::RequestId;

/// What a request is about, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    /// How the worker is to behave.
    Settings,
    /// A model is to be loaded, in place of the others or beside them.
    Load { beside: bool },
    /// The memory of a model is to be freed, or that of all.
    Unload { model: Option<String> },
    /// Another request is to be stopped.
    Interrupt { id: RequestId },
    /// Anything else.
    Other,
}

/// What an event says about its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// It goes on.
    Progress,
    /// A part of its answer: it cannot be repeated.
    Begun,
    /// The model of this name is loaded.
    Loaded { name: String },
    /// The memory is free.
    Unloaded,
    /// Any other end.
    Ended,
}

/// What to do about a new leader.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Replay<M> {
    /// Messages to send, in this order.
    pub(super) messages: Vec<M>,
    /// Requests that have failed: a part of their answers had come.
    pub(super) lost: Vec<RequestId>,
}

struct Pending<M> {
    topic: Topic,
    message: M,
    /// The message that stops it.
    interrupt: Option<M>,
    has_begun: bool,
}

struct Load<M> {
    id: RequestId,
    /// The model's name.
    name: String,
    message: M,
}

/// The requests of a page.
pub(super) struct Memory<M> {
    /// How the page last said that the worker is to behave.
    settings: Option<M>,
    /// What the page has loaded, in order: a model and those beside it.
    loads: Vec<Load<M>>,
    /// Requests without an end.
    pending: BTreeMap<RequestId, Pending<M>>,
}

impl<M> Default for Memory<M> {
    fn default() -> Self {
        Self { settings: None, loads: Vec::new(), pending: BTreeMap::new() }
    }
}

impl<M: Clone> Memory<M> {
    /// Notes a message of the page; a request that an event will end has a number.
    pub(super) fn note_request(&mut self, id: Option<RequestId>, topic: Topic, message: M) {
        match (topic, id) {
            (Topic::Settings, _) => self.settings = Some(message),
            (Topic::Interrupt { id }, _) => {
                if let Some(pending) = self.pending.get_mut(&id) {
                    pending.interrupt = Some(message);
                }
            }
            (topic, Some(id)) => {
                self.pending.insert(id, Pending { topic, message, interrupt: None, has_begun: false });
            }
            (_, None) => {}
        }
    }

    /// Notes what became of a request. Says whether the event was expected: the request has no end yet, or was repeated to load its model again.
    pub(super) fn note_update(&mut self, id: RequestId, update: Update) -> bool {
        let Some(pending) = self.pending.get_mut(&id) else { return self.loads.iter().any(|load| load.id == id) };
        match update {
            Update::Progress => {}
            Update::Begun => pending.has_begun = true,
            update => {
                if let Some(Pending { topic, message, .. }) = self.pending.remove(&id) {
                    self.note_end(id, topic, message, update);
                }
            }
        }
        true
    }

    fn note_end(&mut self, id: RequestId, topic: Topic, message: M, update: Update) {
        match (topic, update) {
            (Topic::Load { beside: false }, Update::Loaded { name }) => self.loads = vec![Load { id, name, message }],
            (Topic::Load { beside: true }, Update::Loaded { name })
                if self.loads.iter().all(|load| load.name != name) =>
            {
                self.loads.push(Load { id, name, message });
            }
            (Topic::Unload { model: None }, Update::Unloaded) => self.loads.clear(),
            (Topic::Unload { model: Some(name) }, Update::Unloaded) => self.loads.retain(|load| load.name != name),
            _ => {}
        }
    }

    /// What a new leader has to be asked. If that is this worker itself, it answers the page from now on, and nothing stays pending.
    pub(super) fn replay(&mut self, leads_itself: bool) -> Replay<M> {
        let lost = self.pending.iter().filter(|(_, pending)| pending.has_begun).map(|(id, _)| *id).collect();
        self.pending.retain(|_, pending| !pending.has_begun);
        let loads = self.loads.iter().map(|load| &load.message);
        let pending =
            self.pending.values().flat_map(|pending| std::iter::once(&pending.message).chain(&pending.interrupt));
        let messages = self.settings.iter().chain(loads).chain(pending).cloned().collect();
        if leads_itself {
            self.pending.clear();
        }
        Replay { messages, lost }
    }
}

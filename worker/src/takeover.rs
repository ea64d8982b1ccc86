//! What a worker that follows remembers of its page's requests, to ask the next leader for it. It knows no browser: messages are whatever the
//! page sends.

use std::collections::BTreeMap;

use parlance_protocol::RequestId;

/// What a request is about, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Topic {
    /// How the worker is to behave.
    Settings,
    /// A model is to be loaded, in place of the others or beside them.
    Load { beside: bool },
    /// A model's memory is to be freed, or that of all.
    Unload { model: Option<String> },
    /// Anything else.
    Other,
}

/// What an event tells of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// A part of the answer: it cannot be asked for again.
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
pub(crate) struct Again<M> {
    /// Messages to send, in this order.
    pub(crate) messages: Vec<M>,
    /// Requests that have failed: part of their answers was told.
    pub(crate) lost: Vec<RequestId>,
}

struct Pending<M> {
    topic: Topic,
    message: M,
    has_begun: bool,
}

struct Load<M> {
    /// The model's name.
    name: String,
    message: M,
}

/// Requests to ask again.
pub(crate) struct Takeover<M> {
    /// How the page last said that the worker is to behave.
    settings: Option<M>,
    /// What the page has loaded, in order: a model and those beside it.
    loads: Vec<Load<M>>,
    /// Requests that have no end yet.
    pending: BTreeMap<RequestId, Pending<M>>,
}

impl<M> Default for Takeover<M> {
    fn default() -> Self {
        Self { settings: None, loads: Vec::new(), pending: BTreeMap::new() }
    }
}

impl<M: Clone> Takeover<M> {
    /// Notes a message of the page; one that will have an end has a number.
    pub(crate) fn note_request(&mut self, id: Option<RequestId>, topic: Topic, message: M) {
        match id {
            _ if topic == Topic::Settings => self.settings = Some(message),
            Some(id) => {
                self.pending.insert(id, Pending { topic, message, has_begun: false });
            }
            None => {}
        }
    }

    /// Notes what came of a request.
    pub(crate) fn note_event(&mut self, id: RequestId, news: News) {
        if news == News::Begun {
            if let Some(pending) = self.pending.get_mut(&id) {
                pending.has_begun = true;
            }
            return;
        }
        let Some(Pending { topic, message, .. }) = self.pending.remove(&id) else { return };
        match (topic, news) {
            (Topic::Load { beside: false }, News::Loaded { name }) => self.loads = vec![Load { name, message }],
            (Topic::Load { beside: true }, News::Loaded { name })
                if self.loads.iter().all(|load| load.name != name) =>
            {
                self.loads.push(Load { name, message });
            }
            (Topic::Unload { model: None }, News::Unloaded) => self.loads.clear(),
            (Topic::Unload { model: Some(name) }, News::Unloaded) => self.loads.retain(|load| load.name != name),
            _ => {}
        }
    }

    /// What the new leader has to be asked. Where that is this worker itself, it answers the page from now on, and nothing stays pending.
    pub(crate) fn again(&mut self, leads_itself: bool) -> Again<M> {
        let lost: Vec<RequestId> =
            self.pending.iter().filter(|(_, pending)| pending.has_begun).map(|(id, _)| *id).collect();
        self.pending.retain(|_, pending| !pending.has_begun);
        let loads = self.loads.iter().map(|load| &load.message);
        let pending = self.pending.values().map(|pending| &pending.message);
        let messages = self.settings.iter().chain(loads).chain(pending).cloned().collect();
        if leads_itself {
            self.pending.clear();
        }
        Again { messages, lost }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page that has loaded these models, each with whether it was beside the others.
    fn loaded(models: &[(&'static str, bool)]) -> Takeover<&'static str> {
        let mut takeover = Takeover::default();
        for (id, (name, beside)) in (1..).zip(models) {
            takeover.note_request(Some(id), Topic::Load { beside: *beside }, *name);
            takeover.note_event(id, News::Loaded { name: (*name).to_owned() });
        }
        takeover
    }

    #[test]
    fn a_model_comes_back_with_those_beside_it() {
        // A file search loads its model again each time.
        let mut takeover = loaded(&[("old", false), ("chat", false), ("search", true), ("search", true)]);
        assert_eq!(takeover.again(false), Again { messages: vec!["chat", "search"], lost: vec![] });
        // And once more, should the next leader go, too.
        assert_eq!(takeover.again(true).messages, ["chat", "search"]);
    }

    #[test]
    fn a_model_that_was_freed_stays_away() {
        let mut takeover = loaded(&[("chat", false), ("search", true)]);
        takeover.note_request(Some(8), Topic::Unload { model: Some("search".to_owned()) }, "unload");
        takeover.note_event(8, News::Unloaded);
        assert_eq!(takeover.again(false).messages, ["chat"]);
        takeover.note_request(Some(9), Topic::Unload { model: None }, "unload");
        takeover.note_event(9, News::Unloaded);
        assert!(takeover.again(false).messages.is_empty());
    }

    #[test]
    fn a_load_that_failed_is_not_tried_again() {
        let mut takeover = loaded(&[("chat", false)]);
        takeover.note_request(Some(7), Topic::Load { beside: false }, "damaged");
        takeover.note_event(7, News::Ended);
        assert_eq!(takeover.again(false).messages, ["chat"]);
    }

    #[test]
    fn what_had_no_word_yet_is_asked_again_after_settings_and_models() {
        let mut takeover = loaded(&[("chat", false)]);
        takeover.note_request(Some(5), Topic::Other, "begun");
        takeover.note_request(Some(6), Topic::Other, "waiting");
        takeover.note_request(Some(7), Topic::Other, "done");
        takeover.note_request(None, Topic::Settings, "settings");
        takeover.note_request(None, Topic::Other, "interrupt");
        takeover.note_event(5, News::Begun);
        takeover.note_event(7, News::Ended);
        let again = takeover.again(true);
        assert_eq!(again, Again { messages: vec!["settings", "chat", "waiting"], lost: vec![5] });
        // Whoever leads tells its page itself.
        assert_eq!(takeover.again(true), Again { messages: vec!["settings", "chat"], lost: vec![] });
    }
}

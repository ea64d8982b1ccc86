//! Which model answers a conversation, and how it samples.

use leptos::prelude::*;
use parlance_protocol::ModelSource;
use parlance_protocol::library::{ChatModel, Sampling};

use super::{Chats, tree};
use crate::client::{Candidate, EngineState};
use crate::conversation::{ConversationStoreFields as _, MessageId};
use crate::options::is_same_model;

/// One of several answers to a question.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Alternative {
    /// The answer.
    pub(crate) id: MessageId,
    /// How many answers it is after the one that is shown.
    pub(crate) step: isize,
    /// The model that gave it.
    pub(crate) model: Option<String>,
    /// Its text, in Markdown.
    pub(crate) content: String,
}

impl Chats {
    /// Loads a model, which answers the conversation on screen from now on.
    pub(crate) fn use_model(self, model: ChatModel) {
        self.client.load_chosen(&model);
        self.set_model(Some(model));
    }

    /// Another model was loaded without regard to the conversation on screen. If that has a model of its own, it gets this one.
    pub(crate) fn follow_model(self, model: Option<ChatModel>) {
        if self.current.summary().read_untracked().model.is_some() {
            self.set_model(model);
        }
    }

    /// The model of the conversation on screen, if it is on this device but not in memory: the next message loads it. Reactive.
    pub(crate) fn waiting_model(self) -> Option<ChatModel> {
        let model = self.current.summary().read().model.clone()?;
        let is_in_use = match &*self.client.engine().read() {
            EngineState::Ready(ready) => ready.url.as_deref().is_some_and(|ready| is_same_model(ready, &model.url)),
            EngineState::Loading(_) => match self.client.last_source() {
                Some(ModelSource::Url { url }) => is_same_model(&url, &model.url),
                _ => false,
            },
            EngineState::Empty | EngineState::Failed(_) => false,
        };
        // An imported conversation must not have anything downloaded.
        let is_here = self.client.chat_models().iter().any(|stored| is_same_model(&stored.url, &model.url));
        (is_here && !is_in_use).then_some(model)
    }

    /// Requests another answer as a sibling of `id`, from another model. The conversation keeps its own.
    pub(crate) fn regenerate_with(self, id: MessageId, model: &ChatModel) {
        self.load_for_answer(model);
        self.answer_again(id);
    }

    /// The answers to the same question, oldest first. Reactive: updated when another branch is shown.
    pub(crate) fn alternatives(self, id: MessageId) -> Vec<Alternative> {
        self.branch.track();
        let messages = self.current.messages();
        let messages = messages.read_untracked();
        let siblings = tree::siblings(&messages, id);
        let shown = siblings.iter().position(|sibling| *sibling == id).unwrap_or_default();
        let known = siblings.iter().enumerate().filter_map(|(index, sibling)| {
            let message = messages.iter().find(|message| message.id == *sibling)?;
            let step = index.cast_signed() - shown.cast_signed();
            Some(Alternative { id: *sibling, step, model: message.model.clone(), content: message.content.clone() })
        });
        known.collect()
    }

    /// Loads the conversation's own model, if another one is in memory.
    pub(super) fn ensure_model(self) {
        if let Some(model) = untrack(|| self.waiting_model()) {
            self.load_for_answer(&model);
        }
    }

    /// Sets or removes the sampling parameters of the conversation on screen.
    pub(crate) fn set_sampling(self, sampling: Option<Sampling>) {
        self.current.summary().write().sampling = sampling;
        self.save_summary();
    }

    fn load_for_answer(self, model: &ChatModel) {
        self.client.load_candidate(Candidate::of_model(model.clone()), None);
    }

    fn set_model(self, model: Option<ChatModel>) {
        self.current.summary().write().model = model;
        self.save_summary();
    }
}

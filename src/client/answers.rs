//! Asking, and putting what comes into the conversation.

use leptos::prelude::*;
use parlance_protocol::openai::{
    ChatChunk, ChatCompletionRequest, Endpoint, FinishReason, RequestMessage, StreamOptions, Usage,
};
use parlance_protocol::{Failure, Request, RequestId};
use serde_json::Value;

use super::{Answer, Client, EngineState, Link};
use crate::conversation::{
    AnswerState, ChatMessage, ChatMessageStoreFields as _, ConversationStoreFields as _, MessageId, Role,
};

impl Client {
    /// Adds a message of the user's and asks for the answer. A model that is not loaded yet is loaded first.
    pub(crate) fn ask(self, text: String) {
        self.push_message(Role::User, text, AnswerState::Done(FinishReason::Stop, Usage::default()));
        let message_id = self.push_message(Role::Assistant, String::new(), AnswerState::Waiting(None));
        if matches!(self.engine.get_untracked(), EngineState::Empty | EngineState::Failed(_)) {
            self.retry();
        }
        self.request_answer(message_id);
    }

    /// Asks for the answer that a message is to hold; what it holds already is continued.
    pub(super) fn request_answer(self, message: MessageId) {
        let id = self.next_request();
        self.link.update_value(|link| {
            link.answers.insert(id, Answer { message, finish: None, usage: None });
        });
        let messages = self.conversation.messages();
        let messages = messages.read_untracked();
        let until = messages.iter().position(|other| other.id == message).map_or(0, |index| index + 1);
        let asked: Vec<_> = messages[..until].iter().filter_map(to_request).collect();
        let continues = asked.last().is_some_and(|message| message.role == "assistant");
        let request = self.options.with_value(|options| ChatCompletionRequest {
            messages: asked,
            stream: Some(true),
            stream_options: Some(StreamOptions { include_usage: true }),
            continue_final_message: continues.then_some(true),
            ..options.request()
        });
        // Plain structs with string keys always have a JSON form.
        let body = serde_json::to_value(request).unwrap_or_default();
        // The worker takes requests in order, so this one waits for the model.
        self.send(Request::Api { id, endpoint: Endpoint::ChatCompletions, body }, Vec::new());
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

    fn push_message(self, role: Role, content: String, state: AnswerState) -> MessageId {
        let id = self.link.try_update_value(Link::next_message).unwrap_or_default();
        let message = ChatMessage { id, role, content, reasoning: String::new(), state };
        self.conversation.messages().write().push(message);
        id
    }

    pub(super) fn is_answer(self, id: RequestId) -> bool {
        self.link.with_value(|link| link.answers.contains_key(&id))
    }

    /// The message that request `id` answers, if it is still on screen.
    fn message_of(self, id: RequestId) -> Option<MessageId> {
        let message_id = self.link.with_value(|link| link.answers.get(&id).map(|answer| answer.message))?;
        let messages = self.conversation.messages();
        messages.read_untracked().iter().any(|message| message.id == message_id).then_some(message_id)
    }

    fn set_state(self, message: MessageId, state: AnswerState) {
        let field = self.conversation.messages().at_key(message).state();
        if *field.read_untracked() != state {
            field.set(state);
        }
    }

    pub(super) fn prefilling(self, id: RequestId, done: f64, total: Option<f64>) {
        let Some(message) = self.message_of(id) else { return };
        let share = total.filter(|total| *total > 0.0).map(|total| done / total);
        if matches!(*self.conversation.messages().at_key(message).state().read_untracked(), AnswerState::Waiting(_)) {
            self.set_state(message, AnswerState::Waiting(share));
        }
    }

    /// Appends a piece of an answer, touching only the fields that change.
    pub(super) fn take_chunk(self, id: RequestId, body: Value) {
        let Ok(chunk) = serde_json::from_value::<ChatChunk>(body) else { return };
        let choice = chunk.choices.into_iter().next();
        self.link.update_value(|link| {
            if let Some(answer) = link.answers.get_mut(&id) {
                answer.usage = chunk.usage.or(answer.usage);
                answer.finish = choice.as_ref().and_then(|choice| choice.finish_reason).or(answer.finish);
            }
        });
        let (Some(message), Some(choice)) = (self.message_of(id), choice) else { return };
        let fields = self.conversation.messages().at_key(message);
        let content = choice.delta.content.filter(|text| !text.is_empty());
        let reasoning = choice.delta.reasoning_content.filter(|text| !text.is_empty());
        if content.is_some() || reasoning.is_some() {
            self.set_state(message, AnswerState::Streaming);
        }
        if let Some(text) = content {
            fields.content().update(|content| content.push_str(&text));
        }
        if let Some(text) = reasoning {
            fields.reasoning().update(|reasoning| reasoning.push_str(&text));
        }
    }

    pub(super) fn finished(self, id: RequestId) {
        let answer = self.link.with_value(|link| link.answers.get(&id).copied());
        if let (Some(message), Some(answer)) = (self.message_of(id), answer) {
            let reason = answer.finish.unwrap_or(FinishReason::Abort);
            self.set_state(message, AnswerState::Done(reason, answer.usage.unwrap_or_default()));
        }
        self.link.update_value(|link| link.is_recovering = false);
        self.forget(id);
    }

    pub(super) fn answer_failed(self, id: RequestId, failure: Failure) {
        if let Some(message) = self.message_of(id) {
            self.set_state(message, AnswerState::Failed(failure));
        }
        self.forget(id);
    }

    fn forget(self, id: RequestId) {
        self.link.update_value(|link| {
            link.answers.remove(&id);
        });
    }
}

/// A message as the engine takes it; answers that never got a word are left out.
fn to_request(message: &ChatMessage) -> Option<RequestMessage> {
    let is_empty = message.role == Role::Assistant && message.content.is_empty();
    (!is_empty).then(|| RequestMessage::new(message.role.as_str(), message.content.as_str()))
}

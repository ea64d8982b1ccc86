//! Asking for answers, and telling whoever asked what comes.

use std::rc::Rc;

use leptos::prelude::*;
use parlance_protocol::openai::{
    ChatChunk, ChatCompletionRequest, Endpoint, FinishReason, StreamOptions, ToolCall, Usage,
};
use parlance_protocol::{Failure, Request, RequestId};
use serde_json::Value;

use super::{Client, EngineState};

/// What comes of a question.
pub(crate) enum AnswerEvent {
    /// The prompt is being read; the share that is done, if known.
    Reading(Option<f64>),
    /// The prompt is read.
    Begun {
        /// The oldest messages of the request that the model was not given, instructions not counted.
        dropped_messages: u32,
    },
    /// A piece of the answer.
    Piece {
        /// Text to append.
        content: String,
        /// Thoughts to append.
        reasoning: String,
        /// Calls of tools, each whole.
        calls: Vec<ToolCall>,
    },
    /// The answer is complete.
    Finished {
        /// Why it ended.
        reason: FinishReason,
        /// What it took.
        usage: Usage,
    },
    /// It failed.
    Failed(Failure),
    /// The worker was replaced; whoever asked should ask again for the rest.
    Lost,
}

/// A question under way.
#[derive(Clone)]
pub(super) struct Asked {
    sink: Rc<dyn Fn(AnswerEvent)>,
    /// Told by the last piece, before the usage comes.
    finish: Option<FinishReason>,
    usage: Option<Usage>,
}

impl Asked {
    /// Tells whoever asked.
    pub(super) fn tell(&self, event: AnswerEvent) {
        (self.sink)(event);
    }
}

impl Client {
    /// Asks for an answer, of which `sink` hears. A model that is not loaded yet is loaded first.
    pub(crate) fn ask(self, request: ChatCompletionRequest, sink: impl Fn(AnswerEvent) + 'static) -> RequestId {
        if matches!(self.engine.get_untracked(), EngineState::Empty | EngineState::Failed(_)) {
            self.retry();
        }
        let id = self.next_request();
        let asked = Asked { sink: Rc::new(sink), finish: None, usage: None };
        self.link.update_value(|link| {
            link.answers.insert(id, asked);
        });
        let stream_options = Some(StreamOptions { include_usage: true });
        let request = ChatCompletionRequest { stream: Some(true), stream_options, ..request };
        // Plain structs with string keys always have a JSON form.
        let body = serde_json::to_value(request).unwrap_or_default();
        // The worker takes requests in order, so this one waits for the model.
        self.send(Request::Api { id, endpoint: Endpoint::ChatCompletions, body }, Vec::new());
        id
    }

    /// Stops an answer; what was said so far stays.
    pub(crate) fn interrupt(self, id: RequestId) {
        self.send(Request::Interrupt { id }, Vec::new());
    }

    pub(super) fn asked(self, id: RequestId) -> Option<Asked> {
        self.link.with_value(|link| link.answers.get(&id).cloned())
    }

    pub(super) fn prefilling(self, id: RequestId, done: f64, total: Option<f64>) {
        if let Some(asked) = self.asked(id) {
            asked.tell(AnswerEvent::Reading(total.filter(|total| *total > 0.0).map(|total| done / total)));
        }
    }

    pub(super) fn take_chunk(self, id: RequestId, body: Value) {
        let Ok(chunk) = serde_json::from_value::<ChatChunk>(body) else { return };
        let choice = chunk.choices.into_iter().next();
        self.link.update_value(|link| {
            if let Some(asked) = link.answers.get_mut(&id) {
                asked.usage = chunk.usage.or(asked.usage);
                asked.finish = choice.as_ref().and_then(|choice| choice.finish_reason).or(asked.finish);
            }
        });
        let (Some(asked), Some(choice)) = (self.asked(id), choice) else { return };
        // The first piece alone has a role.
        if choice.delta.role.is_some() {
            asked.tell(AnswerEvent::Begun { dropped_messages: chunk.dropped_messages.unwrap_or_default() });
        }
        let content = choice.delta.content.unwrap_or_default();
        let reasoning = choice.delta.reasoning_content.unwrap_or_default();
        let calls = choice.delta.tool_calls.unwrap_or_default();
        if !content.is_empty() || !reasoning.is_empty() || !calls.is_empty() {
            asked.tell(AnswerEvent::Piece { content, reasoning, calls });
        }
    }

    pub(super) fn finished(self, id: RequestId) {
        self.link.update_value(|link| link.is_recovering = false);
        if let Some(asked) = self.forget(id) {
            let reason = asked.finish.unwrap_or(FinishReason::Abort);
            let usage = asked.usage.unwrap_or_default();
            if usage.completion_tokens > 0 {
                self.answered.write().push(usage);
            }
            asked.tell(AnswerEvent::Finished { reason, usage });
        }
    }

    pub(super) fn answer_failed(self, id: RequestId, failure: Failure) {
        if let Some(asked) = self.forget(id) {
            asked.tell(AnswerEvent::Failed(failure));
        }
    }

    fn forget(self, id: RequestId) -> Option<Asked> {
        self.link.try_update_value(|link| link.answers.remove(&id)).flatten()
    }
}

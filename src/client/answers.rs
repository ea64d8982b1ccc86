//! Requesting answers and reporting their progress to the caller.

use std::rc::Rc;

use leptos::prelude::*;
use parlance_protocol::openai::{ChatChunk, ChatCompletionRequest, Endpoint, FinishReason, StreamOptions};
use parlance_protocol::{Failure, Request, RequestId};
use serde_json::Value;

use super::Client;
use super::pending::{AnswerEvent, PendingAnswer};
use super::state::EngineState;

impl Client {
    /// Requests an answer whose events go to `sink`. Loads the model first if necessary.
    pub(crate) fn ask(self, request: ChatCompletionRequest, sink: impl Fn(AnswerEvent) + 'static) -> RequestId {
        if matches!(self.engine.get_untracked(), EngineState::Empty | EngineState::Failed(_)) {
            self.retry();
        }
        let id = self.next_request();
        let answer = PendingAnswer { sink: Rc::new(sink), finish: None, usage: None };
        self.link.update_value(|link| {
            link.answers.insert(id, answer);
        });
        let stream_options = Some(StreamOptions { include_usage: true });
        let request = ChatCompletionRequest { stream: Some(true), stream_options, ..request };
        // Plain structs with string keys always serialise.
        let body = serde_json::to_value(request).unwrap_or_default();
        // The worker handles requests in order, so this one waits for the model.
        self.send(Request::Api { id, endpoint: Endpoint::ChatCompletions, body }, Vec::new());
        id
    }

    /// Stops generating an answer; the text so far is kept.
    pub(crate) fn interrupt(self, id: RequestId) {
        self.send(Request::Interrupt { id }, Vec::new());
    }

    pub(super) fn pending_answer(self, id: RequestId) -> Option<PendingAnswer> {
        self.link.with_value(|link| link.answers.get(&id).cloned())
    }

    pub(super) fn prefill_progress(self, id: RequestId, done: f64, total: Option<f64>) {
        if let Some(answer) = self.pending_answer(id) {
            answer.report(AnswerEvent::Prefill(total.filter(|total| *total > 0.0).map(|total| done / total)));
        }
    }

    pub(super) fn see_progress(self, id: RequestId, done: f64, total: Option<f64>) {
        if let Some(answer) = self.pending_answer(id) {
            answer.report(AnswerEvent::See(total.filter(|total| *total > 0.0).map_or(0.0, |total| done / total)));
        }
    }

    pub(super) fn take_chunk(self, id: RequestId, body: Value) {
        let Ok(chunk) = serde_json::from_value::<ChatChunk>(body) else { return };
        let choice = chunk.choices.into_iter().next();
        self.link.update_value(|link| {
            if let Some(answer) = link.answers.get_mut(&id) {
                answer.usage = chunk.usage.or(answer.usage);
                answer.finish = choice.as_ref().and_then(|choice| choice.finish_reason).or(answer.finish);
            }
        });
        let (Some(answer), Some(choice)) = (self.pending_answer(id), choice) else { return };
        // Only the first chunk has a role.
        if choice.delta.role.is_some() {
            answer.report(AnswerEvent::Started { dropped_messages: chunk.dropped_messages.unwrap_or_default() });
        }
        let content = choice.delta.content.unwrap_or_default();
        let reasoning = choice.delta.reasoning_content.unwrap_or_default();
        let calls = choice.delta.tool_calls.unwrap_or_default();
        if !content.is_empty() || !reasoning.is_empty() || !calls.is_empty() {
            answer.report(AnswerEvent::Delta { content, reasoning, calls });
        }
    }

    pub(super) fn finished(self, id: RequestId) {
        self.link.update_value(|link| link.is_recovering = false);
        if let Some(answer) = self.remove_answer(id) {
            let reason = answer.finish.unwrap_or(FinishReason::Abort);
            let usage = answer.usage.unwrap_or_default();
            if usage.completion_tokens > 0 {
                self.usages.write().push(usage);
            }
            answer.report(AnswerEvent::Finished { reason, usage });
        }
    }

    pub(super) fn answer_failed(self, id: RequestId, failure: Failure) {
        if let Some(answer) = self.remove_answer(id) {
            answer.report(AnswerEvent::Failed(failure));
        }
    }

    fn remove_answer(self, id: RequestId) -> Option<PendingAnswer> {
        self.link.try_update_value(|link| link.answers.remove(&id)).flatten()
    }
}

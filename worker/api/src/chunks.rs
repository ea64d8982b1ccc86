//! The chunks of a streamed response, and the parts that it shares with a whole one.

use parlance_protocol::openai::{
    ChatChunk, ChatDelta, ChunkChoice, FinishReason, FunctionCall, FunctionDelta, LogProbs, TextChoice, TextCompletion,
    TextLogProbs, TokenLogProb, ToolCall, ToolCallDelta,
};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::answer::Delta;
use crate::control::Control;
use crate::meta::Meta;
use crate::output_parser::CallDelta;

/// The kind of response, by endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResponseKind {
    Chat,
    Text,
}

/// What has been emitted of an answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Output {
    has_started: bool,
    pub(crate) is_finished: bool,
    pub(crate) all: Delta,
}

/// Sends the chunks of one answer.
pub(crate) struct ChunkSender<'a> {
    pub(crate) kind: ResponseKind,
    pub(crate) meta: &'a Meta,
    pub(crate) index: u32,
    pub(crate) dropped_messages: Option<u32>,
}

impl ChunkSender<'_> {
    /// Adds to an answer, and sends the addition if the response is streamed.
    pub(crate) fn emit(&self, output: &mut Output, delta: Delta, is_stream: bool, control: &impl Control) {
        if is_stream {
            self.send_delta(output, &delta, control);
        }
        output.all.append(delta);
    }

    fn send_delta(&self, output: &mut Output, delta: &Delta, control: &impl Control) {
        let is_first = !std::mem::replace(&mut output.has_started, true);
        let non_empty = |text: &String| (!text.is_empty()).then(|| text.clone());
        let chat_delta = ChatDelta {
            role: is_first.then(|| "assistant".to_owned()),
            content: non_empty(&delta.content).or_else(|| is_first.then(String::new)),
            reasoning_content: non_empty(&delta.reasoning),
            tool_calls: (!delta.calls.is_empty())
                .then(|| delta.calls.iter().map(|call| call_delta(self.meta, self.index, call)).collect()),
        };
        // The first chunk includes the echo of the prompt.
        let text = if is_first { format!("{}{}", output.all.content, delta.content) } else { delta.content.clone() };
        self.send(chat_delta, text, &delta.logprobs, None, control);
    }

    /// Sends the reason why the answer ended.
    pub(crate) fn send_end(&self, output: &mut Output, finish: Option<FinishReason>, control: &impl Control) {
        if !output.has_started {
            self.send_delta(output, &Delta::default(), control);
        }
        self.send(ChatDelta::default(), String::new(), &[], finish, control);
    }

    fn send(
        &self,
        delta: ChatDelta,
        text: String,
        logprobs: &[TokenLogProb],
        finish_reason: Option<FinishReason>,
        control: &impl Control,
    ) {
        let (id, created, model, index) =
            (self.meta.id(self.kind), self.meta.created, self.meta.model.clone(), self.index);
        let has_logprobs = !logprobs.is_empty();
        control.chunk(match self.kind {
            ResponseKind::Chat => {
                let logprobs = has_logprobs.then(|| LogProbs::new(logprobs.to_vec()));
                // Only the first chunk has a role.
                let dropped_messages = self.dropped_messages.filter(|_| delta.role.is_some());
                let choices = vec![ChunkChoice { index, delta, logprobs, finish_reason }];
                let object = "chat.completion.chunk".to_owned();
                to_json(&ChatChunk { id, object, created, model, choices, usage: None, dropped_messages })
            }
            ResponseKind::Text => {
                let logprobs = has_logprobs.then(|| text_logprobs(logprobs));
                let choices = vec![TextChoice { index, text, logprobs, finish_reason }];
                let object = "text_completion".to_owned();
                to_json(&TextCompletion { id, object, created, model, choices, usage: None })
            }
        });
    }
}

impl Meta {
    pub(crate) fn id(&self, kind: ResponseKind) -> String {
        let prefix = if kind == ResponseKind::Chat { "chatcmpl" } else { "cmpl" };
        format!("{prefix}-{:016x}", self.random)
    }
}

/// A call of the answer with index `choice`.
pub(crate) fn tool_call(meta: &Meta, choice: u32, call: &CallDelta) -> ToolCall {
    ToolCall {
        id: call_id(meta, choice, call.index),
        kind: "function".to_owned(),
        function: FunctionCall { name: call.name.clone().unwrap_or_default(), arguments: call.arguments.clone() },
    }
}

/// An addition to a call. Only the first one has id and name.
fn call_delta(meta: &Meta, choice: u32, call: &CallDelta) -> ToolCallDelta {
    let is_first = call.name.is_some();
    ToolCallDelta {
        index: call.index,
        id: is_first.then(|| call_id(meta, choice, call.index)),
        kind: is_first.then(|| "function".to_owned()),
        function: FunctionDelta { name: call.name.clone(), arguments: call.arguments.clone() },
    }
}

fn call_id(meta: &Meta, choice: u32, index: u32) -> String {
    format!("call_{:016x}_{choice}_{index}", meta.random)
}

pub(crate) fn text_logprobs(logprobs: &[TokenLogProb]) -> TextLogProbs {
    let top = logprobs.iter().map(|token| {
        let entries = token.top_logprobs.iter().map(|top| (top.token.clone(), Value::from(top.logprob)));
        entries.collect::<Map<_, _>>()
    });
    TextLogProbs {
        tokens: logprobs.iter().map(|token| token.token.clone()).collect(),
        token_logprobs: logprobs.iter().map(|token| token.logprob).collect(),
        top_logprobs: top.collect(),
    }
}

/// A count that is left out if it is 0.
pub(crate) fn non_zero(count: u32) -> Option<u32> {
    (count > 0).then_some(count)
}

/// A response as JSON.
pub(crate) fn to_json(value: &impl Serialize) -> Value {
    // This cannot fail, because responses are plain structs with string keys.
    serde_json::to_value(value).unwrap_or_default()
}

//! An answer that was asked for, and what the caller is told of it.

use std::rc::Rc;

use parlance_protocol::Failure;
use parlance_protocol::openai::{FinishReason, ToolCallDelta, Usage};

/// Progress of an answer.
pub(crate) enum AnswerEvent {
    /// The prompt is being processed; the fraction that is done, if known.
    Prefill(Option<f64>),
    /// Its images are being encoded; the fraction that is done.
    See(f64),
    /// Generation has started.
    Started {
        /// How many of the request's oldest messages were not sent to the model, not counting the system prompt.
        dropped_messages: u32,
    },
    /// A piece of the answer.
    Delta {
        /// Text to append.
        content: String,
        /// Reasoning to append.
        reasoning: String,
        /// Additions to tool calls.
        calls: Vec<ToolCallDelta>,
    },
    /// The answer is complete.
    Finished {
        /// Why it ended.
        reason: FinishReason,
        /// Generation statistics.
        usage: Usage,
    },
    /// Generation failed.
    Failed(Failure),
    /// The worker was replaced; the caller should request the rest of the answer.
    Lost,
}

/// An answer in progress.
#[derive(Clone)]
pub(super) struct PendingAnswer {
    pub(super) sink: Rc<dyn Fn(AnswerEvent)>,
    /// Set by the last chunk with content; the usage follows in another one.
    pub(super) finish: Option<FinishReason>,
    pub(super) usage: Option<Usage>,
}

impl PendingAnswer {
    /// Reports an event to the caller.
    pub(super) fn report(&self, event: AnswerEvent) {
        (self.sink)(event);
    }
}

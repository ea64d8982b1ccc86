//! The conversation on screen, as a keyed store: a token touches one field of one message.

use parlance_protocol::Failure;
use parlance_protocol::openai::{FinishReason, Usage};
use reactive_stores::Store;

/// Names a message for as long as the page lives.
pub(crate) type MessageId = u32;

/// A conversation.
#[derive(Debug, Clone, Default, Store)]
pub(crate) struct Conversation {
    /// Messages, oldest first.
    #[store(key: MessageId = |message| message.id)]
    pub(crate) messages: Vec<ChatMessage>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Store)]
pub(crate) struct ChatMessage {
    /// Unique in this visit.
    pub(crate) id: MessageId,
    /// Who speaks.
    pub(crate) role: Role,
    /// What they say; grows while streaming.
    pub(crate) content: String,
    /// What the model thought before; grows while streaming.
    pub(crate) reasoning: String,
    /// How far an answer is.
    pub(crate) state: AnswerState,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// The role's name in the API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// How far an answer is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AnswerState {
    /// Nothing has come yet. While a prompt is read, the share that is done.
    Waiting(Option<f64>),
    /// Text comes in.
    Streaming,
    /// Complete.
    Done(FinishReason, Usage),
    /// It failed; what came before stays.
    Failed(Failure),
}

impl AnswerState {
    /// Whether more may come.
    pub(crate) fn is_active(&self) -> bool {
        matches!(self, Self::Waiting(_) | Self::Streaming)
    }
}

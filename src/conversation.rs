//! The conversation on screen, as a keyed store: a token touches one field of one message.

use parlance_protocol::Failure;
use parlance_protocol::library::{self, Attachment, ConversationSummary, Ending, Id, Message, Role, ToolUse};
use parlance_protocol::openai::{FinishReason, Usage};
use reactive_stores::Store;

/// Names a message.
pub(crate) type MessageId = Id;

/// A conversation.
#[derive(Debug, Clone, Default, Store)]
pub(crate) struct Conversation {
    /// What lists show of it.
    pub(crate) summary: ConversationSummary,
    /// Messages of all branches, in the order in which they were written.
    #[store(key: MessageId = |message| message.id)]
    pub(crate) messages: Vec<ChatMessage>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Store)]
pub(crate) struct ChatMessage {
    /// Its name.
    pub(crate) id: MessageId,
    /// The message that it follows.
    pub(crate) parent: Option<MessageId>,
    /// Who speaks.
    pub(crate) role: Role,
    /// What they say; grows while streaming.
    pub(crate) content: String,
    /// What the model thought before; grows while streaming.
    pub(crate) reasoning: String,
    /// Seconds that it thought.
    pub(crate) reasoning_s: Option<f64>,
    /// Milliseconds since 1970.
    pub(crate) created_ms: f64,
    /// The model that answered.
    pub(crate) model: Option<String>,
    /// How far an answer is.
    pub(crate) state: AnswerState,
    /// Files that go with it.
    pub(crate) attachments: Vec<Attachment>,
    /// Passages of its files that the model is given in their place.
    pub(crate) sources: Vec<Attachment>,
    /// Tools that were used.
    pub(crate) tools: Vec<ToolUse>,
    /// Of an answer: the first message that the model was given, where the older ones did not fit the context.
    pub(crate) context_start: Option<MessageId>,
}

/// How far an answer is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AnswerState {
    /// Nothing has come yet. While a prompt is read, the share that is done.
    Waiting(Option<f64>),
    /// Text comes in.
    Streaming,
    /// Text comes in, in another tab.
    Elsewhere,
    /// Complete.
    Done(FinishReason, Usage),
    /// The page was closed before it was complete.
    CutOff,
    /// It failed; what came before stays.
    Failed(Failure),
}

impl AnswerState {
    /// Whether more may come.
    pub(crate) fn is_active(&self) -> bool {
        matches!(self, Self::Waiting(_) | Self::Streaming)
    }
}

impl ChatMessage {
    /// A message as it is kept. `unfinished` is the state of an answer that has no ending.
    pub(crate) fn from_record(message: Message, unfinished: AnswerState) -> Self {
        let state = match message.ending {
            Some(Ending::Done { reason, usage }) => AnswerState::Done(reason, usage),
            Some(Ending::Failed { failure }) => AnswerState::Failed(failure),
            None if message.role == Role::User => AnswerState::Done(FinishReason::Stop, Usage::default()),
            None => unfinished,
        };
        Self {
            id: message.id,
            parent: message.parent,
            role: message.role,
            content: message.content,
            reasoning: message.reasoning,
            reasoning_s: message.reasoning_s,
            created_ms: message.created_ms,
            model: message.model,
            state,
            attachments: message.attachments,
            sources: message.sources,
            tools: message.tools,
            context_start: message.context_start,
        }
    }

    /// The message with what it has so far.
    pub(crate) fn stopped(self) -> Self {
        let is_active = self.state.is_active();
        let state = if is_active { AnswerState::Done(FinishReason::Abort, Usage::default()) } else { self.state };
        Self { state, ..self }
    }

    /// The message as it is kept.
    pub(crate) fn to_record(&self, conversation: Id) -> Message {
        let ending = match &self.state {
            AnswerState::Done(..) if self.role == Role::User => None,
            AnswerState::Done(reason, usage) => Some(Ending::Done { reason: *reason, usage: *usage }),
            AnswerState::Failed(failure) => Some(Ending::Failed { failure: failure.clone() }),
            AnswerState::Waiting(_) | AnswerState::Streaming | AnswerState::Elsewhere | AnswerState::CutOff => None,
        };
        Message {
            id: self.id,
            conversation,
            parent: self.parent,
            role: self.role,
            content: self.content.clone(),
            reasoning: self.reasoning.clone(),
            reasoning_s: self.reasoning_s,
            created_ms: self.created_ms,
            model: self.model.clone(),
            ending,
            attachments: self.attachments.clone(),
            sources: self.sources.clone(),
            tools: self.tools.clone(),
            context_start: self.context_start,
        }
    }
}

impl Conversation {
    /// A conversation as it is kept.
    pub(crate) fn from_record(conversation: library::Conversation, unfinished: &AnswerState) -> Self {
        let messages = conversation.messages.into_iter();
        Self {
            summary: conversation.summary,
            messages: messages.map(|message| ChatMessage::from_record(message, unfinished.clone())).collect(),
        }
    }
}

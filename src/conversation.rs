//! The current conversation as a keyed store, so that a new token updates a single field of a single message.

use parlance_protocol::Failure;
use parlance_protocol::library::{self, Attachment, ConversationSummary, Ending, Id, Image, Message, Role, ToolUse};
use parlance_protocol::openai::{FinishReason, Usage};
use reactive_stores::Store;

/// Identifies a message.
pub(crate) type MessageId = Id;

/// A conversation.
#[derive(Debug, Clone, Default, Store)]
pub(crate) struct Conversation {
    /// Title, folder and other data shown in the chat list.
    pub(crate) summary: ConversationSummary,
    /// Messages of all branches, in order of creation.
    #[store(key: MessageId = |message| message.id)]
    pub(crate) messages: Vec<ChatMessage>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Store)]
pub(crate) struct ChatMessage {
    /// Its id.
    pub(crate) id: MessageId,
    /// The message it replies to.
    pub(crate) parent: Option<MessageId>,
    /// User or assistant.
    pub(crate) role: Role,
    /// Text; grows while streaming.
    pub(crate) content: String,
    /// The model's reasoning; grows while streaming.
    pub(crate) reasoning: String,
    /// Duration of the reasoning in seconds.
    pub(crate) reasoning_s: Option<f64>,
    /// Time of creation, in milliseconds since 1970.
    pub(crate) created_ms: f64,
    /// The model that answered.
    pub(crate) model: Option<String>,
    /// State of an answer.
    pub(crate) state: AnswerState,
    /// Attached files.
    pub(crate) attachments: Vec<Attachment>,
    /// Attached images.
    pub(crate) images: Vec<Image>,
    /// Passages of the attached files that are sent to the model instead of the whole files.
    pub(crate) sources: Vec<Attachment>,
    /// Tool calls with their results.
    pub(crate) tools: Vec<ToolUse>,
    /// Of an answer: the first message sent to the model, if older ones did not fit the context.
    pub(crate) context_start: Option<MessageId>,
}

/// State of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AnswerState {
    /// No token yet. During prompt processing, the fraction that is done.
    Waiting(Option<f64>),
    /// No token yet: the fraction of its images that is encoded.
    Seeing(f64),
    /// Being generated.
    Streaming,
    /// Being generated in another tab.
    Elsewhere,
    /// Complete.
    Done(FinishReason, Usage),
    /// The page was closed before it was complete.
    Incomplete,
    /// Failed; text generated before that is kept.
    Failed(Failure),
}

impl AnswerState {
    /// Whether its first token is still to come.
    pub(crate) fn has_no_text(&self) -> bool {
        matches!(self, Self::Waiting(_) | Self::Seeing(_))
    }

    /// Whether this tab is still generating it.
    pub(crate) fn is_active(&self) -> bool {
        self.has_no_text() || matches!(self, Self::Streaming)
    }
}

impl ChatMessage {
    /// Converts a stored message. `unfinished` is the state to use for an answer without an ending.
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
            images: message.images,
            sources: message.sources,
            tools: message.tools,
            context_start: message.context_start,
        }
    }

    /// The attached files that are sent in full: none if passages of them are sent instead. Those of a project's files do not count.
    pub(crate) fn files_in_full(&self) -> &[Attachment] {
        let are_replaced = self.sources.iter().any(|source| source.file.is_none());
        if are_replaced { &[] } else { &self.attachments }
    }

    /// The message as if generation had been stopped, with the text it has so far.
    pub(crate) fn stopped(self) -> Self {
        let is_active = self.state.is_active();
        let state = if is_active { AnswerState::Done(FinishReason::Abort, Usage::default()) } else { self.state };
        Self { state, ..self }
    }

    /// The message in its stored form.
    pub(crate) fn to_record(&self, conversation: Id) -> Message {
        let ending = match &self.state {
            AnswerState::Done(..) if self.role == Role::User => None,
            AnswerState::Done(reason, usage) => Some(Ending::Done { reason: *reason, usage: *usage }),
            AnswerState::Failed(failure) => Some(Ending::Failed { failure: failure.clone() }),
            AnswerState::Waiting(_)
            | AnswerState::Seeing(_)
            | AnswerState::Streaming
            | AnswerState::Elsewhere
            | AnswerState::Incomplete => None,
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
            images: self.images.clone(),
            sources: self.sources.clone(),
            tools: self.tools.clone(),
            context_start: self.context_start,
        }
    }
}

impl Conversation {
    /// Converts a stored conversation; `unfinished` as for messages.
    pub(crate) fn from_record(conversation: library::Conversation, unfinished: &AnswerState) -> Self {
        let messages = conversation.messages.into_iter();
        Self {
            summary: conversation.summary,
            messages: messages.map(|message| ChatMessage::from_record(message, unfinished.clone())).collect(),
        }
    }
}

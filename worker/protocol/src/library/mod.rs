//! Messages between the page and the library: the worker that keeps conversations and turns Markdown into HTML.
//!
//! The page sends [`LibraryRequest`]s; each but [`LibraryRequest::Render`] with nothing new is answered by one
//! [`LibraryEvent`] with its number. What another tab changes arrives as [`LibraryEvent::Changed`].

mod conversation;
mod id;

pub use conversation::{
    Attachment, Conversation, ConversationSummary, Ending, Message, Role, ToolUse, path_to, title_from,
};
pub use id::Id;

use serde::{Deserialize, Serialize};

/// The key of what travels beside [`LibraryRequest::PutFiles`] and [`LibraryEvent::Files`]: handles have no JSON form.
pub const HANDLES_KEY: &str = "handles";

/// What the page asks of the library.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LibraryRequest {
    /// All conversations that hold all words of `query`, in title or text. Ends in [`LibraryEvent::Listed`].
    List {
        /// Words; all conversations if empty.
        query: String,
    },
    /// A conversation with all its messages. Ends in [`LibraryEvent::Opened`].
    Open {
        /// Which.
        id: Id,
    },
    /// Keep a conversation's summary. Ends in [`LibraryEvent::Done`].
    PutSummary {
        /// The summary.
        summary: ConversationSummary,
    },
    /// Keep messages of one conversation. Ends in [`LibraryEvent::Done`].
    PutMessages {
        /// The messages.
        messages: Vec<Message>,
    },
    /// Delete messages. Ends in [`LibraryEvent::Done`].
    DeleteMessages {
        /// Their conversation.
        conversation: Id,
        /// Which.
        ids: Vec<Id>,
    },
    /// Delete a conversation for good. Ends in [`LibraryEvent::Done`].
    Delete {
        /// Which.
        id: Id,
    },
    /// Delete all conversations for good. Ends in [`LibraryEvent::Done`].
    DeleteAll,
    /// Add the conversations of files, each the text of an export of this app, `ChatGPT` or Open WebUI. What is here stays as it
    /// is. Ends in [`LibraryEvent::Imported`].
    Import {
        /// The files' texts.
        texts: Vec<String>,
    },
    /// Write conversations as one file. Ends in [`LibraryEvent::Exported`].
    Export {
        /// Which; all if absent.
        ids: Option<Vec<Id>>,
        /// How.
        format: ExportFormat,
    },
    /// Remember files of the user's for later visits. Their `FileSystemFileHandle`s travel beside the request, see
    /// [`HANDLES_KEY`]. Ends in [`LibraryEvent::Done`].
    PutFiles {
        /// The name of the first.
        name: String,
    },
    /// The files that are remembered. Ends in [`LibraryEvent::Files`].
    Files,
    /// Forget files. Ends in [`LibraryEvent::Done`].
    DeleteFiles {
        /// Their name.
        name: String,
    },
    /// Cut files into passages and find those whose words fit a question best. Ends in [`LibraryEvent::Passages`].
    FindPassages {
        /// The files.
        files: Vec<Attachment>,
        /// The question.
        question: String,
        /// Most characters of the passages together.
        max_chars: u32,
    },
    /// The passages whose meaning fits a question best. Ends in [`LibraryEvent::Best`].
    Best {
        /// The passages.
        passages: Vec<String>,
        /// Vectors of the question and of all passages, in this order.
        vectors: Vec<Vec<f32>>,
        /// Most characters of the chosen passages together.
        max_chars: u32,
    },
    /// The value of an expression, see `parlance_text::calculator`. Ends in [`LibraryEvent::Calculated`].
    Calculate {
        /// The expression.
        expression: String,
    },
    /// Turn a growing Markdown text into HTML. Ends in [`LibraryEvent::Rendered`].
    Render {
        /// Names the text.
        key: Id,
        /// Bytes of the text that are known from earlier requests; 0 begins anew.
        known_bytes: u32,
        /// What comes after them.
        added: String,
        /// Whether this is the end of the text, after which its state is forgotten.
        is_final: bool,
    },
}

/// How conversations are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// For people: the branch on screen.
    Markdown,
    /// Everything; can be imported again.
    Json,
}

/// A request with its number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LibraryCall {
    /// Names the request in its answer.
    pub id: u32,
    /// The request.
    pub request: LibraryRequest,
}

/// What the library tells the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LibraryEvent {
    /// The worker runs and takes requests.
    Ready,
    /// Conversations were found.
    Listed {
        /// The request.
        id: u32,
        /// Pinned ones first, then those changed last.
        conversations: Vec<ConversationSummary>,
    },
    /// A conversation.
    Opened {
        /// The request.
        id: u32,
        /// The conversation; nothing if there is none of that name.
        conversation: Option<Conversation>,
    },
    /// What was asked is done.
    Done {
        /// The request.
        id: u32,
    },
    /// Conversations were added.
    Imported {
        /// The request.
        id: u32,
        /// How many are new.
        added: u32,
        /// How many were here already, and were left as they are.
        known: u32,
    },
    /// Conversations as a file.
    Exported {
        /// The request.
        id: u32,
        /// A name for the file.
        name: String,
        /// The file.
        text: String,
    },
    /// The files that are remembered. Beside the event travels an array with an array of `FileSystemFileHandle`s for each name,
    /// see [`HANDLES_KEY`].
    Files {
        /// The request.
        id: u32,
        /// Their names.
        names: Vec<String>,
    },
    /// Passages that were found.
    Passages {
        /// The request.
        id: u32,
        /// The passages, in order, each under its file's name.
        passages: Vec<Attachment>,
    },
    /// The best passages.
    Best {
        /// The request.
        id: u32,
        /// Their indices, in order.
        chosen: Vec<u32>,
    },
    /// An expression's value.
    Calculated {
        /// The request.
        id: u32,
        /// A number, or what is wrong with the expression.
        value: String,
    },
    /// A text as HTML, in blocks.
    Rendered {
        /// The request.
        id: u32,
        /// The first block that is new or different; all before it stand.
        first_block: u32,
        /// Sanitised HTML of that block and all after it.
        blocks: Vec<String>,
    },
    /// Another tab changed a conversation, or all of them.
    Changed {
        /// Which; any if absent.
        conversation: Option<Id>,
    },
    /// A request failed.
    Failed {
        /// The request.
        id: u32,
        /// What helps.
        kind: LibraryFailureKind,
        /// A sentence in English.
        message: String,
    },
}

/// Kinds of failure, by what helps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LibraryFailureKind {
    /// A newer version of the app has changed the database: reloading the page gets that version.
    Newer,
    /// This device's storage is full: deleting something makes room.
    Full,
    /// What the message says.
    #[default]
    Other,
}

impl LibraryEvent {
    /// The number of the request that it answers.
    pub fn id(&self) -> Option<u32> {
        match self {
            Self::Listed { id, .. }
            | Self::Opened { id, .. }
            | Self::Done { id }
            | Self::Imported { id, .. }
            | Self::Exported { id, .. }
            | Self::Files { id, .. }
            | Self::Passages { id, .. }
            | Self::Best { id, .. }
            | Self::Calculated { id, .. }
            | Self::Rendered { id, .. }
            | Self::Failed { id, .. } => Some(*id),
            Self::Ready | Self::Changed { .. } => None,
        }
    }
}

//! Messages between the page and the library worker, which stores conversations and renders Markdown to HTML.
//!
//! The page sends [`LibraryRequest`]s; each is answered by one [`LibraryEvent`] with the same id. Changes by other tabs arrive as
//! [`LibraryEvent::Changed`].

mod conversation;
mod found;
mod id;
mod project;
mod sampling;

pub use conversation::{
    Attachment, ChatModel, Conversation, ConversationSummary, Digest, Ending, Image, Message, Role, SectionStart,
    ToolUse, title_from,
};
pub use found::{Found, Piece};
pub use id::Id;
pub use project::{PassageRun, Project, ProjectFile, ProjectQuestion, QuestionVector};
pub use sampling::Sampling;

use serde::{Deserialize, Serialize};

/// The key of what has no JSON form: file handles in messages with [`LibraryRequest::PutFiles`] and [`LibraryEvent::Files`], the
/// `Blob` of an image in those with [`LibraryRequest::AddImage`] and [`LibraryEvent::Image`].
pub const HANDLES_KEY: &str = "handles";

/// A request to the library.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LibraryRequest {
    /// List the conversations whose title, tags or messages contain all words of `query`, at most a few hundred of them. Answered by [`LibraryEvent::Listed`].
    List {
        /// The words; all conversations if empty.
        query: String,
    },
    /// Mark the words of `query` in conversations. Answered by [`LibraryEvent::Highlighted`].
    Highlight {
        /// The conversations.
        ids: Vec<Id>,
        /// The words.
        query: String,
    },
    /// Read a conversation with all its messages. Answered by [`LibraryEvent::Opened`].
    Open {
        /// The conversation.
        id: Id,
    },
    /// Save a conversation's summary. Answered by [`LibraryEvent::Done`].
    PutSummary {
        /// The summary.
        summary: Box<ConversationSummary>,
    },
    /// Save messages of one conversation. Answered by [`LibraryEvent::Done`].
    PutMessages {
        /// The messages.
        messages: Vec<Message>,
    },
    /// Delete messages. Answered by [`LibraryEvent::Done`].
    DeleteMessages {
        /// Their conversation.
        conversation: Id,
        /// The messages.
        ids: Vec<Id>,
    },
    /// Delete a conversation permanently. Answered by [`LibraryEvent::Done`].
    Delete {
        /// The conversation.
        id: Id,
    },
    /// Delete all conversations permanently. Answered by [`LibraryEvent::Done`].
    DeleteAll,
    /// Import conversations from exports of this app, `ChatGPT` or Open WebUI. Existing conversations are not changed. Answered by
    /// [`LibraryEvent::Imported`].
    Import {
        /// The contents of the exported files.
        texts: Vec<String>,
    },
    /// Export conversations as one file. Answered by [`LibraryEvent::Exported`].
    Export {
        /// The conversations; all if absent.
        ids: Option<Vec<Id>>,
        /// The file's format.
        format: ExportFormat,
    },
    /// Remember files of the user for later visits. Their `FileSystemFileHandle`s are sent with the request, see [`HANDLES_KEY`].
    /// Answered by [`LibraryEvent::Done`].
    PutFiles {
        /// The name of the first file.
        name: String,
    },
    /// List the remembered files. Answered by [`LibraryEvent::Files`].
    Files,
    /// Forget files. Answered by [`LibraryEvent::Done`].
    DeleteFiles {
        /// The name they were remembered by.
        name: String,
    },
    /// Store an image that the user attaches. Its `Blob` is sent with the request, see [`HANDLES_KEY`]. It is drawn anew, upright and not
    /// larger than a model looks at, so nothing of its metadata is kept. Answered by [`LibraryEvent::ImageAdded`].
    AddImage {
        /// See [`Image::alt`].
        alt: String,
    },
    /// Read a stored image. Answered by [`LibraryEvent::Image`].
    Image {
        /// See [`Image::digest`].
        digest: String,
    },
    /// Count the stored images. Answered by [`LibraryEvent::ImagesCounted`].
    CountImages,
    /// Split files into passages and find those that match a question best by keywords. Answered by [`LibraryEvent::Passages`].
    FindPassages {
        /// The files.
        files: Vec<Attachment>,
        /// The question.
        question: String,
        /// Maximum characters of all passages together.
        max_chars: u32,
    },
    /// Select the passages that match a question best by their embeddings. Answered by [`LibraryEvent::Best`].
    Best {
        /// The passages.
        passages: Vec<String>,
        /// The embeddings of the question and of all passages, in this order.
        vectors: Vec<Vec<f32>>,
        /// Maximum characters of the selected passages together.
        max_chars: u32,
    },
    /// List the projects. Answered by [`LibraryEvent::Projects`].
    Projects,
    /// Save a project. Answered by [`LibraryEvent::Done`].
    PutProject {
        /// The project.
        project: Project,
    },
    /// Delete a project with its files. Its conversations stay. Answered by [`LibraryEvent::Done`].
    DeleteProject {
        /// The project.
        id: Id,
    },
    /// List the files of a project. Answered by [`LibraryEvent::ProjectFiles`].
    ProjectFiles {
        /// The project.
        project: Id,
        /// The URL of the embedding model whose vectors are counted; empty for none.
        model: String,
    },
    /// Add a file to a project, cut into passages. Answered by [`LibraryEvent::Done`].
    AddProjectFile {
        /// The project.
        project: Id,
        /// The file's id.
        id: Id,
        /// The file.
        file: Box<Attachment>,
    },
    /// Delete a file of a project. Answered by [`LibraryEvent::Done`].
    DeleteProjectFile {
        /// The file.
        id: Id,
    },
    /// Read a file of a project. Answered by [`LibraryEvent::ProjectFile`].
    ProjectFile {
        /// The file.
        id: Id,
    },
    /// The next passages of a project that have no vector of a model. Answered by [`LibraryEvent::Unembedded`].
    Unembedded {
        /// The project.
        project: Id,
        /// The URL of the embedding model. Vectors of others are deleted.
        model: String,
        /// Maximum number of passages.
        count: u32,
    },
    /// Save the vectors of passages that follow each other. Answered by [`LibraryEvent::Done`].
    PutVectors {
        /// The file.
        file: Id,
        /// The index of the first passage.
        first: u32,
        /// The URL of the embedding model.
        model: String,
        /// The vectors.
        vectors: Vec<Vec<f32>>,
    },
    /// Find the passages of a project's files that match a question best. Answered by [`LibraryEvent::Passages`], best first.
    SearchProject {
        /// The project.
        project: Id,
        /// The question.
        question: ProjectQuestion,
    },
    /// Evaluate an expression, see `parlance_text::calculator`. Answered by [`LibraryEvent::Calculated`].
    Calculate {
        /// The expression.
        expression: String,
    },
    /// Render a growing Markdown text to HTML. Answered by [`LibraryEvent::Rendered`].
    Render {
        /// Identifies the text.
        key: Id,
        /// How many bytes of the text earlier requests contained; 0 starts over.
        known_bytes: u32,
        /// The text after these bytes.
        added: String,
        /// Whether this is the end of the text; its state is dropped then.
        is_final: bool,
    },
}

/// A format of exported files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// The visible branch, for reading.
    Markdown,
    /// All messages; can be imported again.
    Json,
}

/// A request with its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LibraryCall {
    /// Identifies the request in its answer.
    pub id: u32,
    /// The request.
    pub request: LibraryRequest,
}

/// A message from the library to the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LibraryEvent {
    /// The worker has started and accepts requests.
    Ready,
    /// Answers [`LibraryRequest::List`].
    Listed {
        /// The request.
        id: u32,
        /// Pinned conversations first, then the most recently changed.
        conversations: Vec<ConversationSummary>,
    },
    /// Answers [`LibraryRequest::Highlight`].
    Highlighted {
        /// The request.
        id: u32,
        /// The conversations that exist.
        found: Vec<Found>,
    },
    /// Answers [`LibraryRequest::Open`].
    Opened {
        /// The request.
        id: u32,
        /// The conversation; absent if it does not exist.
        conversation: Option<Box<Conversation>>,
    },
    /// A request without a result is done.
    Done {
        /// The request.
        id: u32,
    },
    /// Answers [`LibraryRequest::Import`].
    Imported {
        /// The request.
        id: u32,
        /// How many conversations were added.
        added: u32,
        /// How many existed already, and were not changed.
        known: u32,
    },
    /// Answers [`LibraryRequest::Export`].
    Exported {
        /// The request.
        id: u32,
        /// A suggested file name.
        name: String,
        /// The file's content.
        text: String,
    },
    /// Answers [`LibraryRequest::Files`]. An array with an array of `FileSystemFileHandle`s for each name is sent with the event, see
    /// [`HANDLES_KEY`].
    Files {
        /// The request.
        id: u32,
        /// The names of the remembered files.
        names: Vec<String>,
    },
    /// Answers [`LibraryRequest::AddImage`].
    ImageAdded {
        /// The request.
        id: u32,
        /// The image as it is stored.
        image: Image,
        /// The width and height it had, if it was scaled.
        scaled_from: Option<(u32, u32)>,
    },
    /// Answers [`LibraryRequest::Image`]. A `Blob` is sent with the event, see [`HANDLES_KEY`], if the image is stored.
    Image {
        /// The request.
        id: u32,
    },
    /// Answers [`LibraryRequest::CountImages`].
    ImagesCounted {
        /// The request.
        id: u32,
        /// How many are stored.
        count: u32,
        /// Bytes of all of them.
        len_bytes: f64,
    },
    /// Answers [`LibraryRequest::Projects`].
    Projects {
        /// The request.
        id: u32,
        /// The projects, by name.
        projects: Vec<Project>,
    },
    /// Answers [`LibraryRequest::ProjectFiles`].
    ProjectFiles {
        /// The request.
        id: u32,
        /// The files, in the order in which they were added.
        files: Vec<ProjectFile>,
    },
    /// Answers [`LibraryRequest::ProjectFile`].
    ProjectFile {
        /// The request.
        id: u32,
        /// The file; absent if it does not exist.
        file: Option<Box<Attachment>>,
    },
    /// Answers [`LibraryRequest::Unembedded`].
    Unembedded {
        /// The request.
        id: u32,
        /// The passages; absent if all have a vector.
        run: Option<PassageRun>,
    },
    /// Answers [`LibraryRequest::FindPassages`] and [`LibraryRequest::SearchProject`].
    Passages {
        /// The request.
        id: u32,
        /// The passages, each with its file's name and its place; those that were found in files, in document order.
        passages: Vec<Attachment>,
    },
    /// Answers [`LibraryRequest::Best`].
    Best {
        /// The request.
        id: u32,
        /// Indices of the selected passages, in ascending order.
        chosen: Vec<u32>,
    },
    /// Answers [`LibraryRequest::Calculate`].
    Calculated {
        /// The request.
        id: u32,
        /// A number, or an error message that begins with `error: `.
        value: String,
    },
    /// Answers [`LibraryRequest::Render`].
    Rendered {
        /// The request.
        id: u32,
        /// Index of the first block that is new or changed; the blocks before it are the same.
        first_block: u32,
        /// Sanitised HTML of that block and all after it.
        blocks: Vec<String>,
    },
    /// Another tab changed a conversation, or all of them.
    Changed {
        /// The conversation; any if absent.
        conversation: Option<Id>,
    },
    /// A request failed.
    Failed {
        /// The request.
        id: u32,
        /// Its kind.
        kind: LibraryFailureKind,
        /// A sentence in English.
        message: String,
    },
}

/// Why an image cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageFault {
    /// It is no image of a kind that is decoded.
    Unknown,
    /// It has too many pixels or bytes.
    TooLarge,
    /// It is damaged, or the browser cannot decode it.
    Damaged,
}

/// Kinds of failure, by what the user can do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LibraryFailureKind {
    /// A newer version of the app has upgraded the database: reload the page.
    Newer,
    /// This device's storage is full: delete something.
    Full,
    /// The image cannot be used, for this reason.
    Image(ImageFault),
    /// See the message.
    #[default]
    Other,
}

impl LibraryEvent {
    /// The request that this event answers.
    pub fn id(&self) -> Option<u32> {
        match self {
            Self::Listed { id, .. }
            | Self::Highlighted { id, .. }
            | Self::Opened { id, .. }
            | Self::Done { id }
            | Self::Imported { id, .. }
            | Self::Exported { id, .. }
            | Self::Files { id, .. }
            | Self::ImageAdded { id, .. }
            | Self::Image { id }
            | Self::ImagesCounted { id, .. }
            | Self::Projects { id, .. }
            | Self::ProjectFiles { id, .. }
            | Self::ProjectFile { id, .. }
            | Self::Unembedded { id, .. }
            | Self::Passages { id, .. }
            | Self::Best { id, .. }
            | Self::Calculated { id, .. }
            | Self::Rendered { id, .. }
            | Self::Failed { id, .. } => Some(*id),
            Self::Ready | Self::Changed { .. } => None,
        }
    }
}

//! The page's handle to the library, the worker that stores conversations and renders Markdown.

use std::collections::HashMap;

use futures::channel::oneshot;
use js_sys::{Array, Reflect};
use leptos::prelude::*;
use leptos::reactive::owner::LocalStorage;
use parlance_protocol::library::{
    Attachment, Conversation, ConversationSummary, ExportFormat, Found, HANDLES_KEY, Id, Image, ImageFault,
    LibraryCall, LibraryEvent, LibraryFailureKind, LibraryRequest, Message, PassageRun, Project, ProjectFile,
    ProjectQuestion,
};

use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::Blob;

use crate::i18n::{t, tf};
use crate::transport::{SiteWorker, Transport, TransportEvent, describe, to_js};

/// An exported file.
pub(crate) struct ExportedFile {
    /// Suggested file name.
    pub(crate) name: String,
    /// Contents.
    pub(crate) text: String,
}

/// Width and height in pixels.
type Size = (u32, u32);

/// Rendered HTML blocks, see [`LibraryEvent::Rendered`].
pub(crate) struct Rendered {
    /// Index of the first block that is new or changed.
    pub(crate) first_block: usize,
    /// That block and all after it.
    pub(crate) blocks: Vec<String>,
}

#[derive(Default)]
struct Link {
    transport: Option<Transport>,
    last_call: u32,
    answers: HashMap<u32, oneshot::Sender<(LibraryEvent, JsValue)>>,
}

/// The handle; cheap to copy.
#[derive(Clone, Copy)]
pub(crate) struct Library {
    link: StoredValue<Link, LocalStorage>,
    changed: RwSignal<(u32, Option<Id>)>,
}

impl Library {
    /// The worker starts with the first request.
    pub(crate) fn new() -> Self {
        Self { link: StoredValue::new_local(Link::default()), changed: RwSignal::new((0, None)) }
    }

    /// The number of changes by other tabs so far, with the conversation changed last (`None` if it could be any).
    pub(crate) fn changed(self) -> Signal<(u32, Option<Id>)> {
        self.changed.into()
    }

    /// Conversations that contain all words of `query`; all conversations if it is empty.
    pub(crate) async fn list(self, query: String) -> Result<Vec<ConversationSummary>, String> {
        match self.call(LibraryRequest::List { query }).await? {
            LibraryEvent::Listed { conversations, .. } => Ok(conversations),
            event => Err(unexpected(&event)),
        }
    }

    /// Where conversations have the words of a query.
    pub(crate) async fn highlight(self, ids: Vec<Id>, query: String) -> Result<Vec<Found>, String> {
        match self.call(LibraryRequest::Highlight { ids, query }).await? {
            LibraryEvent::Highlighted { found, .. } => Ok(found),
            event => Err(unexpected(&event)),
        }
    }

    /// Reads a conversation.
    pub(crate) async fn open(self, id: Id) -> Result<Option<Conversation>, String> {
        match self.call(LibraryRequest::Open { id }).await? {
            LibraryEvent::Opened { conversation, .. } => Ok(conversation.map(|conversation| *conversation)),
            event => Err(unexpected(&event)),
        }
    }

    /// Saves a conversation's summary.
    pub(crate) async fn put_summary(self, summary: ConversationSummary) -> Result<(), String> {
        self.call(LibraryRequest::PutSummary { summary: Box::new(summary) }).await.map(drop)
    }

    /// Saves messages of one conversation.
    pub(crate) async fn put_messages(self, messages: Vec<Message>) -> Result<(), String> {
        self.call(LibraryRequest::PutMessages { messages }).await.map(drop)
    }

    /// Deletes messages.
    pub(crate) async fn delete_messages(self, conversation: Id, ids: Vec<Id>) -> Result<(), String> {
        self.call(LibraryRequest::DeleteMessages { conversation, ids }).await.map(drop)
    }

    /// Deletes a conversation.
    pub(crate) async fn delete(self, id: Id) -> Result<(), String> {
        self.call(LibraryRequest::Delete { id }).await.map(drop)
    }

    /// Deletes all conversations.
    pub(crate) async fn delete_all(self) -> Result<(), String> {
        self.call(LibraryRequest::DeleteAll).await.map(drop)
    }

    /// Imports conversations from exported files. Returns how many were added and how many were already present.
    pub(crate) async fn import(self, texts: Vec<String>) -> Result<(u32, u32), String> {
        match self.call(LibraryRequest::Import { texts }).await? {
            LibraryEvent::Imported { added, known, .. } => Ok((added, known)),
            event => Err(unexpected(&event)),
        }
    }

    /// Exports conversations as a file; all of them if `ids` is `None`.
    pub(crate) async fn export(self, ids: Option<Vec<Id>>, format: ExportFormat) -> Result<ExportedFile, String> {
        match self.call(LibraryRequest::Export { ids, format }).await? {
            LibraryEvent::Exported { name, text, .. } => Ok(ExportedFile { name, text }),
            event => Err(unexpected(&event)),
        }
    }

    /// The passages of files that match a question best by keywords; see [`LibraryRequest::FindPassages`].
    pub(crate) async fn find_passages(
        self,
        files: Vec<Attachment>,
        question: String,
        max_chars: u32,
    ) -> Result<Vec<Attachment>, String> {
        match self.call(LibraryRequest::FindPassages { files, question, max_chars }).await? {
            LibraryEvent::Passages { passages, .. } => Ok(passages),
            event => Err(unexpected(&event)),
        }
    }

    /// Indices of the passages that match a question best by embeddings; see [`LibraryRequest::Best`].
    pub(crate) async fn best(
        self,
        passages: Vec<String>,
        vectors: Vec<Vec<f32>>,
        max_chars: u32,
    ) -> Result<Vec<u32>, String> {
        match self.call(LibraryRequest::Best { passages, vectors, max_chars }).await? {
            LibraryEvent::Best { chosen, .. } => Ok(chosen),
            event => Err(unexpected(&event)),
        }
    }

    /// All projects, by name.
    pub(crate) async fn projects(self) -> Result<Vec<Project>, String> {
        match self.call(LibraryRequest::Projects).await? {
            LibraryEvent::Projects { projects, .. } => Ok(projects),
            event => Err(unexpected(&event)),
        }
    }

    /// Saves a project.
    pub(crate) async fn put_project(self, project: Project) -> Result<(), String> {
        self.call(LibraryRequest::PutProject { project }).await.map(drop)
    }

    /// Deletes a project with its files.
    pub(crate) async fn delete_project(self, id: Id) -> Result<(), String> {
        self.call(LibraryRequest::DeleteProject { id }).await.map(drop)
    }

    /// The files of a project, with how many of their passages have vectors of a model.
    pub(crate) async fn project_files(self, project: Id, model: String) -> Result<Vec<ProjectFile>, String> {
        match self.call(LibraryRequest::ProjectFiles { project, model }).await? {
            LibraryEvent::ProjectFiles { files, .. } => Ok(files),
            event => Err(unexpected(&event)),
        }
    }

    /// Adds a file to a project.
    pub(crate) async fn add_project_file(self, project: Id, id: Id, file: Attachment) -> Result<(), String> {
        self.call(LibraryRequest::AddProjectFile { project, id, file: Box::new(file) }).await.map(drop)
    }

    /// Deletes a file of a project.
    pub(crate) async fn delete_project_file(self, id: Id) -> Result<(), String> {
        self.call(LibraryRequest::DeleteProjectFile { id }).await.map(drop)
    }

    /// The text of a project's file.
    pub(crate) async fn project_file(self, id: Id) -> Result<Option<Attachment>, String> {
        match self.call(LibraryRequest::ProjectFile { id }).await? {
            LibraryEvent::ProjectFile { file, .. } => Ok(file.map(|file| *file)),
            event => Err(unexpected(&event)),
        }
    }

    /// The next passages of a project without a vector of a model.
    pub(crate) async fn unembedded(self, project: Id, model: String, count: u32) -> Result<Option<PassageRun>, String> {
        match self.call(LibraryRequest::Unembedded { project, model, count }).await? {
            LibraryEvent::Unembedded { run, .. } => Ok(run),
            event => Err(unexpected(&event)),
        }
    }

    /// Saves the vectors of a file's passages from the one with this index on.
    pub(crate) async fn put_vectors(
        self,
        (file, first): (Id, u32),
        model: String,
        vectors: Vec<Vec<f32>>,
    ) -> Result<(), String> {
        let request = LibraryRequest::PutVectors { file, first, model, vectors };
        self.call(request).await.map(drop)
    }

    /// The passages of a project's files that match a question best, best first.
    pub(crate) async fn search_project(
        self,
        project: Id,
        question: ProjectQuestion,
    ) -> Result<Vec<Attachment>, String> {
        match self.call(LibraryRequest::SearchProject { project, question }).await? {
            LibraryEvent::Passages { passages, .. } => Ok(passages),
            event => Err(unexpected(&event)),
        }
    }

    /// Evaluates an arithmetic expression.
    pub(crate) async fn calculate(self, expression: String) -> Result<String, String> {
        match self.call(LibraryRequest::Calculate { expression }).await? {
            LibraryEvent::Calculated { value, .. } => Ok(value),
            event => Err(unexpected(&event)),
        }
    }

    /// Renders a growing Markdown text: `added` follows the `known_bytes` that were sent before.
    pub(crate) async fn render(
        self,
        key: Id,
        known_bytes: u32,
        added: String,
        is_final: bool,
    ) -> Result<Rendered, String> {
        match self.call(LibraryRequest::Render { key, known_bytes, added, is_final }).await? {
            LibraryEvent::Rendered { first_block, blocks, .. } => {
                Ok(Rendered { first_block: first_block as usize, blocks })
            }
            event => Err(unexpected(&event)),
        }
    }

    /// Remembers file handles for later visits.
    pub(crate) async fn put_files(self, name: String, handles: JsValue) -> Result<(), String> {
        self.call_with(LibraryRequest::PutFiles { name }, handles).await.map(drop)
    }

    /// Remembered files: names, each with an array of file handles.
    pub(crate) async fn files(self) -> Result<Vec<(String, Array)>, String> {
        match self.call_with(LibraryRequest::Files, JsValue::UNDEFINED).await? {
            (LibraryEvent::Files { names, .. }, data) => {
                let handles = Reflect::get(&data, &HANDLES_KEY.into()).unwrap_or_default();
                let handles = handles.dyn_into::<Array>().unwrap_or_default();
                Ok(names.into_iter().zip(handles.iter().map(|handles| Array::from(&handles))).collect())
            }
            (event, _) => Err(unexpected(&event)),
        }
    }

    /// Stores an image for a message. Also returns its size before it was scaled, if it was.
    pub(crate) async fn add_image(self, file: &Blob, name: String) -> Result<(Image, Option<Size>), String> {
        match self.answer(LibraryRequest::AddImage { alt: name.clone() }, file.into()).await {
            Ok((LibraryEvent::ImageAdded { image, scaled_from, .. }, _)) => Ok((image, scaled_from)),
            Ok((event, _)) => Err(unexpected(&event)),
            Err(LibraryFault { kind: LibraryFailureKind::Image(fault), .. }) => {
                let key = match fault {
                    ImageFault::Unknown => "file-is-image",
                    ImageFault::TooLarge => "image-too-large",
                    ImageFault::Damaged => "image-damaged",
                };
                Err(tf(key, [("name", name.into())]))
            }
            Err(fault) => Err(fault.sentence()),
        }
    }

    /// The file of a stored image, if it is there.
    pub(crate) async fn image(self, digest: String) -> Option<Blob> {
        let (_, data) = self.answer(LibraryRequest::Image { digest }, JsValue::UNDEFINED).await.ok()?;
        Reflect::get(&data, &HANDLES_KEY.into()).ok()?.dyn_into().ok()
    }

    /// How many images are stored, and their bytes.
    pub(crate) async fn count_images(self) -> Result<(u32, f64), String> {
        match self.call(LibraryRequest::CountImages).await? {
            LibraryEvent::ImagesCounted { count, len_bytes, .. } => Ok((count, len_bytes)),
            event => Err(unexpected(&event)),
        }
    }

    /// Forgets remembered files.
    pub(crate) async fn delete_files(self, name: String) -> Result<(), String> {
        self.call(LibraryRequest::DeleteFiles { name }).await.map(drop)
    }

    async fn call(self, request: LibraryRequest) -> Result<LibraryEvent, String> {
        self.call_with(request, JsValue::UNDEFINED).await.map(|(event, _)| event)
    }

    /// A call that also transfers file handles, with its answer and the answer's raw data.
    async fn call_with(self, request: LibraryRequest, handles: JsValue) -> Result<(LibraryEvent, JsValue), String> {
        self.answer(request, handles).await.map_err(LibraryFault::sentence)
    }

    /// The same, with the kind of failure.
    async fn answer(self, request: LibraryRequest, handles: JsValue) -> Result<(LibraryEvent, JsValue), LibraryFault> {
        let (sender, receiver) = oneshot::channel();
        self.send(request, handles, sender);
        match receiver.await {
            Ok((LibraryEvent::Failed { kind, message, .. }, _)) => Err(LibraryFault { kind, message }),
            Ok(answer) => Ok(answer),
            // The worker died with the request; the next request starts another worker.
            Err(_) => {
                let message = "the library worker crashed".to_owned();
                Err(LibraryFault { kind: LibraryFailureKind::Other, message })
            }
        }
    }

    fn send(self, request: LibraryRequest, handles: JsValue, answer: oneshot::Sender<(LibraryEvent, JsValue)>) {
        self.link.update_value(|link| {
            if link.transport.is_none() {
                link.transport = Transport::start(SiteWorker::Library, move |event| self.receive(event)).ok();
            }
            link.last_call += 1;
            let call = LibraryCall { id: link.last_call, request };
            // Without a worker the sender is dropped, which the receiver sees as a failure.
            let Some(transport) = &link.transport else { return };
            if post(transport, &call, &handles).is_ok() {
                link.answers.insert(link.last_call, answer);
            }
        });
    }

    fn receive(self, event: TransportEvent<LibraryEvent>) {
        match event {
            TransportEvent::Event(event, data) => match *event {
                LibraryEvent::Ready => self.link.update_value(|link| {
                    if link.transport.as_ref().is_some_and(|transport| transport.started().is_err()) {
                        link.answers.clear();
                    }
                }),
                LibraryEvent::Changed { conversation } => {
                    self.changed.update(|(count, last)| {
                        *count += 1;
                        *last = conversation;
                    });
                }
                event => {
                    let answer =
                        event.id().and_then(|id| self.link.try_update_value(|link| link.answers.remove(&id))?);
                    if let Some(answer) = answer {
                        // The caller may be gone.
                        let _ = answer.send((event, data));
                    }
                }
            },
            // Dropping the senders fails all pending calls.
            TransportEvent::Died(_) => self.link.update_value(|link| {
                link.transport = None;
                link.answers.clear();
            }),
        }
    }
}

/// Why a call failed.
struct LibraryFault {
    kind: LibraryFailureKind,
    /// A sentence in English.
    message: String,
}

impl LibraryFault {
    /// A sentence in the interface's language, where there is one.
    fn sentence(self) -> String {
        match self.kind {
            LibraryFailureKind::Newer => t("library-newer"),
            LibraryFailureKind::Full => t("library-full"),
            LibraryFailureKind::Image(_) | LibraryFailureKind::Other => self.message,
        }
    }
}

fn post(transport: &Transport, call: &LibraryCall, handles: &JsValue) -> Result<(), String> {
    let message = to_js(call)?;
    if !handles.is_undefined() {
        Reflect::set(&message, &HANDLES_KEY.into(), handles).map_err(|error| describe(&error))?;
    }
    transport.post(&message)
}

fn unexpected(event: &LibraryEvent) -> String {
    format!("unexpected answer from the library worker: {event:?}")
}

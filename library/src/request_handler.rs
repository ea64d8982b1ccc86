//! Handles the page's requests. Several may be in progress at the same time.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use js_sys::Array;
use parlance_pictures::PictureError;
use parlance_protocol::library::{
    Conversation, ConversationSummary, ExportFormat, Id, LibraryCall, LibraryEvent, LibraryRequest,
};
use parlance_text::calculator::calculate;
use parlance_text::import_export;
use parlance_text::markdown::{Renderer, Update};
use parlance_text::passages;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{Blob, BroadcastChannel, console};

use crate::database::LibraryDatabase;
use crate::error::LibraryError;
use crate::images::Images;
use crate::projects::{self, Projects};
use crate::search::{self, Search};

/// Handles requests, and holds the state they share.
pub(crate) struct RequestHandler {
    site: String,
    /// Opened by the first request that needs it, and again after the browser closed it.
    database: RefCell<Option<Rc<LibraryDatabase>>>,
    /// Opened by the first request that needs it.
    images: RefCell<Option<Images>>,
    projects: Projects,
    search: Search,
    /// Texts that are still growing.
    renderers: RefCell<HashMap<Id, Renderer>>,
    /// Announces changes to other tabs.
    changes: BroadcastChannel,
}

impl RequestHandler {
    pub(crate) fn new(site: &str, changes: BroadcastChannel) -> Self {
        Self {
            site: site.to_owned(),
            database: RefCell::default(),
            images: RefCell::default(),
            projects: Projects::default(),
            search: Search::default(),
            renderers: RefCell::default(),
            changes,
        }
    }

    /// Handles a request that came with these file handles. Returns the response, with file handles if it has any.
    pub(crate) async fn handle(&self, call: LibraryCall, handles: JsValue) -> (LibraryEvent, Option<JsValue>) {
        let id = call.id;
        let mut response = self.dispatch(id, &call.request, &handles).await;
        if matches!(response, Err(LibraryError::Closed)) {
            // Retry once with a new connection. Whatever the first attempt wrote is written again.
            self.database.replace(None);
            response = self.dispatch(id, &call.request, &handles).await;
        }
        response
            .unwrap_or_else(|error| (LibraryEvent::Failed { id, kind: error.kind(), message: error.to_string() }, None))
    }

    async fn dispatch(
        &self,
        id: u32,
        request: &LibraryRequest,
        handles: &JsValue,
    ) -> Result<(LibraryEvent, Option<JsValue>), LibraryError> {
        let event = match request {
            // These do not use the database, so they work even if the browser refuses to store anything.
            LibraryRequest::Render { key, known_bytes, added, is_final } => {
                self.render(id, *key, *known_bytes as usize, added, *is_final)
            }
            LibraryRequest::Calculate { expression } => LibraryEvent::Calculated { id, value: calculate(expression) },
            LibraryRequest::FindPassages { files, question, max_chars } => {
                LibraryEvent::Passages { id, passages: passages::find(files, question, *max_chars as usize) }
            }
            LibraryRequest::Best { passages, vectors, max_chars } => {
                LibraryEvent::Best { id, chosen: select_passages(passages, vectors, *max_chars) }
            }
            // Conversations.
            LibraryRequest::List { query } => LibraryEvent::Listed { id, conversations: self.list(query).await? },
            LibraryRequest::Highlight { ids, query } => {
                LibraryEvent::Highlighted { id, found: search::highlight(&*self.database().await?, ids, query).await? }
            }
            LibraryRequest::Open { id: conversation } => {
                let conversation = self.database().await?.conversation(*conversation).await?;
                LibraryEvent::Opened { id, conversation: conversation.map(Box::new) }
            }
            LibraryRequest::PutSummary { summary } => {
                self.database().await?.put(Some(summary), &[]).await?;
                self.announce_and_finish(id, Some(summary.id))
            }
            LibraryRequest::PutMessages { messages } => {
                self.database().await?.put(None, messages).await?;
                self.announce_and_finish(id, messages.first().map(|message| message.conversation))
            }
            LibraryRequest::DeleteMessages { conversation, ids } => {
                self.database().await?.delete_messages(ids).await?;
                self.announce_and_finish(id, Some(*conversation))
            }
            LibraryRequest::Delete { id: conversation } => {
                self.database().await?.delete(*conversation).await?;
                self.announce_and_finish(id, Some(*conversation))
            }
            LibraryRequest::DeleteAll => {
                self.database().await?.clear().await?;
                if let Ok(images) = self.images().await {
                    images.clear().await;
                }
                self.announce_and_finish(id, None)
            }
            LibraryRequest::Import { texts } => self.import(id, &*self.database().await?, texts).await?,
            LibraryRequest::Export { ids, format } => self.export(id, ids.as_deref(), *format).await?,
            // Images.
            LibraryRequest::AddImage { alt } => {
                let blob = handles.dyn_ref::<Blob>().ok_or(PictureError::Unknown)?;
                let (image, scaled_from) = self.images().await?.add(blob, alt.clone()).await?;
                LibraryEvent::ImageAdded { id, image, scaled_from }
            }
            LibraryRequest::Image { digest } => {
                let file = self.images().await?.get(digest).await;
                return Ok((LibraryEvent::Image { id }, file.map(JsValue::from)));
            }
            LibraryRequest::CountImages => {
                // Without files there are none.
                let (count, len_bytes) = match self.images().await {
                    Ok(images) => images.count().await,
                    Err(_) => (0, 0.0),
                };
                LibraryEvent::ImagesCounted { id, count, len_bytes }
            }
            LibraryRequest::Projects
            | LibraryRequest::PutProject { .. }
            | LibraryRequest::DeleteProject { .. }
            | LibraryRequest::ProjectFiles { .. }
            | LibraryRequest::AddProjectFile { .. }
            | LibraryRequest::DeleteProjectFile { .. }
            | LibraryRequest::ProjectFile { .. }
            | LibraryRequest::Unembedded { .. }
            | LibraryRequest::PutVectors { .. }
            | LibraryRequest::SearchProject { .. } => self.dispatch_project(id, request).await?,
            // File handles.
            LibraryRequest::PutFiles { name } => {
                self.database().await?.put_files(name, handles).await?;
                LibraryEvent::Done { id }
            }
            LibraryRequest::Files => {
                let (names, handles): (Vec<_>, Vec<_>) = self.database().await?.files().await?.into_iter().unzip();
                let handles: Array = handles.into_iter().collect();
                return Ok((LibraryEvent::Files { id, names }, Some(handles.into())));
            }
            LibraryRequest::DeleteFiles { name } => {
                self.database().await?.delete_files(name).await?;
                LibraryEvent::Done { id }
            }
        };
        Ok((event, None))
    }

    /// The conversations that contain all words of a query; all of them if it has none.
    async fn list(&self, query: &str) -> Result<Vec<ConversationSummary>, LibraryError> {
        let database = self.database().await?;
        if query.trim().is_empty() { all(&database).await } else { self.search.find(&database, query).await }
    }

    /// Handles the requests about projects.
    async fn dispatch_project(&self, id: u32, request: &LibraryRequest) -> Result<LibraryEvent, LibraryError> {
        let database = self.database().await?;
        let database = &*database;
        match request {
            LibraryRequest::Projects => {
                return Ok(LibraryEvent::Projects { id, projects: projects::list(database).await? });
            }
            LibraryRequest::ProjectFiles { project, model } => {
                let files = projects::files(database, *project, model).await?;
                return Ok(LibraryEvent::ProjectFiles { id, files });
            }
            LibraryRequest::ProjectFile { id: file } => {
                let file = projects::file(database, *file).await?.map(Box::new);
                return Ok(LibraryEvent::ProjectFile { id, file });
            }
            LibraryRequest::Unembedded { project, model, count } => {
                let run = projects::unembedded(database, *project, model, *count).await?;
                return Ok(LibraryEvent::Unembedded { id, run });
            }
            LibraryRequest::SearchProject { project, question } => {
                let passages = self.projects.search(database, *project, question).await?;
                return Ok(LibraryEvent::Passages { id, passages });
            }
            LibraryRequest::PutProject { project } => projects::put(database, project).await?,
            LibraryRequest::DeleteProject { id } => projects::delete(database, *id).await?,
            LibraryRequest::AddProjectFile { project, id, file } => {
                projects::add_file(database, *project, *id, file).await?;
            }
            LibraryRequest::DeleteProjectFile { id } => projects::delete_file(database, *id).await?,
            LibraryRequest::PutVectors { file, first, model, vectors } => {
                projects::put_vectors(database, *file, *first, model, vectors).await?;
            }
            // `dispatch` passes on no others.
            _ => {}
        }
        Ok(LibraryEvent::Done { id })
    }

    /// Announces a change and completes its request.
    fn announce_and_finish(&self, id: u32, conversation: Option<Id>) -> LibraryEvent {
        self.announce_change(conversation);
        LibraryEvent::Done { id }
    }

    /// Notes that another tab has changed a conversation, or any of them.
    pub(crate) fn changed_elsewhere(&self, conversation: Option<Id>) {
        self.search.changed(conversation);
    }

    /// Tells other tabs that a conversation, or any of them, has changed.
    fn announce_change(&self, conversation: Option<Id>) {
        self.search.changed(conversation);
        let message = conversation.map_or(JsValue::NULL, |id| id.to_string().into());
        if let Err(error) = self.changes.post_message(&message) {
            console::error_1(&error);
        }
    }

    async fn database(&self) -> Result<Rc<LibraryDatabase>, LibraryError> {
        let open = self.database.borrow().clone();
        if let Some(database) = open {
            return Ok(database);
        }
        // Two requests may open it at the same time; only one connection is kept.
        let opened = Rc::new(LibraryDatabase::open(&self.site).await?);
        Ok(Rc::clone(self.database.borrow_mut().get_or_insert(opened)))
    }

    /// The images. Those that no message refers to any more are deleted when they are opened.
    async fn images(&self) -> Result<Images, LibraryError> {
        let open = self.images.borrow().clone();
        if let Some(images) = open {
            return Ok(images);
        }
        let images = Images::open(&self.site).await?;
        let is_first = self.images.borrow_mut().replace(images.clone()).is_none();
        let old = if is_first { images.old().await } else { Vec::new() };
        if !old.is_empty() {
            let messages = self.database().await?.messages().await?;
            let used = messages.into_iter().flat_map(|message| message.images).map(|image| image.digest).collect();
            images.delete_unused(old, &used).await;
        }
        Ok(images)
    }

    fn render(&self, id: u32, key: Id, known_bytes: usize, added: &str, is_final: bool) -> LibraryEvent {
        let mut renderers = self.renderers.borrow_mut();
        let renderer = renderers.remove(&key).filter(|renderer| renderer.len_bytes() == known_bytes);
        let mut renderer = renderer.unwrap_or_default();
        let Update { first_block, blocks } = if is_final {
            renderer.finish(added)
        } else {
            let update = renderer.push(added);
            renderers.insert(key, renderer);
            update
        };
        LibraryEvent::Rendered { id, first_block: first_block as u32, blocks }
    }

    async fn import(
        &self,
        id: u32,
        database: &LibraryDatabase,
        texts: &[String],
    ) -> Result<LibraryEvent, LibraryError> {
        let (mut added, mut known) = (0, 0);
        for text in texts {
            let mut conversations = import_export::from_text(text)?;
            // Where the browser offers no files, conversations come without their images.
            if let Ok(images) = self.images().await {
                for (digest, file) in import_export::images_from_text(text) {
                    if let Some(image) = images.import(&digest, &file).await? {
                        import_export::replace_image(&mut conversations, &digest, &image);
                    }
                }
            }
            for mut conversation in conversations {
                if database.conversation(conversation.summary.id).await?.is_some() {
                    known += 1;
                } else {
                    // Messages with these ids belong to other conversations, and must not be overwritten.
                    let existing = database.existing_ids(&conversation.messages).await?;
                    import_export::reassign_ids(&mut conversation, &existing);
                    database.put(Some(&conversation.summary), &conversation.messages).await?;
                    added += 1;
                }
            }
        }
        self.announce_change(None);
        Ok(LibraryEvent::Imported { id, added, known })
    }

    async fn export(&self, id: u32, ids: Option<&[Id]>, format: ExportFormat) -> Result<LibraryEvent, LibraryError> {
        let database = self.database().await?;
        let ids = match ids {
            Some(ids) => ids.to_vec(),
            None => all(&database).await?.into_iter().map(|summary| summary.id).collect(),
        };
        let mut conversations: Vec<Conversation> = Vec::with_capacity(ids.len());
        for id in ids {
            conversations.extend(database.conversation(id).await?);
        }
        let stem = match conversations.as_slice() {
            [one] => file_stem(&one.summary.title),
            _ => "parlance-conversations".to_owned(),
        };
        let (extension, text) = match format {
            ExportFormat::Markdown => ("md", import_export::to_markdown(&conversations)),
            ExportFormat::Json => ("json", self.to_json(conversations).await?),
        };
        Ok(LibraryEvent::Exported { id, name: format!("{stem}.{extension}"), text })
    }

    /// Conversations with their images.
    async fn to_json(&self, conversations: Vec<Conversation>) -> Result<String, LibraryError> {
        let images = import_export::images_of(&conversations);
        let mut text = import_export::to_json(conversations)?;
        if images.is_empty() {
            return Ok(text);
        }
        let Ok(stored) = self.images().await else { return Ok(text) };
        let mut files = Vec::with_capacity(images.len());
        for image in &images {
            if let Some(file) = stored.read(&image.digest).await {
                files.push((image, file));
            }
        }
        import_export::add_images(&mut text, files);
        Ok(text)
    }
}

/// All conversations: pinned ones first, then the most recently changed.
async fn all(database: &LibraryDatabase) -> Result<Vec<ConversationSummary>, LibraryError> {
    let mut summaries = database.summaries().await?;
    summaries.sort_by(search::newest_first);
    Ok(summaries)
}

/// Indices of the passages that match a question best. `vectors` has the embeddings of the question and of all passages.
fn select_passages(passages: &[String], vectors: &[Vec<f32>], max_chars: u32) -> Vec<u32> {
    let Some((question, vectors)) = vectors.split_first() else { return Vec::new() };
    let selected = passages::select_by_embedding(passages, question, vectors, max_chars as usize);
    selected.into_iter().map(|index| index as u32).collect()
}

/// A title without characters that file systems reject.
fn file_stem(title: &str) -> String {
    let kept = |c: char| if c.is_alphanumeric() || c == '-' || c == '_' { c } else { ' ' };
    let words: String = title.chars().map(kept).collect();
    let stem = words.split_whitespace().collect::<Vec<_>>().join("-");
    if stem.is_empty() { "conversation".to_owned() } else { stem }
}

//! What the library does for the page, one request at a time or several beside each other.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use js_sys::Array;
use parlance_protocol::library::{
    Conversation, ConversationSummary, ExportFormat, Id, LibraryCall, LibraryEvent, LibraryRequest, Message,
};
use parlance_text::calculator::calculate;
use parlance_text::exchange;
use parlance_text::markdown::{Renderer, Update};
use parlance_text::passages;
use parlance_text::search;
use wasm_bindgen::JsValue;
use web_sys::{BroadcastChannel, console};

use crate::database::Records;
use crate::error::LibraryError;

/// Everything that requests work on.
pub(crate) struct Desk {
    site: String,
    /// Opened by the first request that needs it, and again where the browser closed it.
    records: RefCell<Option<Rc<Records>>>,
    /// Texts that are being written.
    texts: RefCell<HashMap<Id, Renderer>>,
    changes: BroadcastChannel,
}

impl Desk {
    pub(crate) fn new(site: &str, changes: BroadcastChannel) -> Self {
        Self { site: site.to_owned(), records: RefCell::default(), texts: RefCell::default(), changes }
    }

    /// Does what is asked; `handles` travelled beside it. Gives what travels beside the answer, too.
    pub(crate) async fn answer(&self, call: LibraryCall, handles: JsValue) -> (LibraryEvent, Option<JsValue>) {
        let id = call.id;
        let mut answer = self.handle(id, &call.request, &handles).await;
        if matches!(answer, Err(LibraryError::Closed)) {
            // Once more, on a new connection. Nothing of the request was kept, or it will be kept again.
            self.records.replace(None);
            answer = self.handle(id, &call.request, &handles).await;
        }
        answer
            .unwrap_or_else(|error| (LibraryEvent::Failed { id, kind: error.kind(), message: error.to_string() }, None))
    }

    async fn handle(
        &self,
        id: u32,
        request: &LibraryRequest,
        handles: &JsValue,
    ) -> Result<(LibraryEvent, Option<JsValue>), LibraryError> {
        let event = match request {
            // What needs no records, so that answers are rendered also where the browser keeps none.
            LibraryRequest::Render { key, known_bytes, added, is_final } => {
                self.render(id, *key, *known_bytes as usize, added, *is_final)
            }
            LibraryRequest::Calculate { expression } => LibraryEvent::Calculated { id, value: calculate(expression) },
            LibraryRequest::FindPassages { files, question, max_chars } => {
                LibraryEvent::Passages { id, passages: passages::find(files, question, *max_chars as usize) }
            }
            LibraryRequest::Best { passages, vectors, max_chars } => {
                LibraryEvent::Best { id, chosen: best(passages, vectors, *max_chars) }
            }
            // Conversations.
            LibraryRequest::List { query } => {
                LibraryEvent::Listed { id, conversations: list(&*self.records().await?, query).await? }
            }
            LibraryRequest::Open { id: conversation } => {
                LibraryEvent::Opened { id, conversation: self.records().await?.conversation(*conversation).await? }
            }
            LibraryRequest::PutSummary { summary } => {
                self.records().await?.put(Some(summary), &[]).await?;
                self.changed(id, Some(summary.id))
            }
            LibraryRequest::PutMessages { messages } => {
                self.records().await?.put(None, messages).await?;
                self.changed(id, messages.first().map(|message| message.conversation))
            }
            LibraryRequest::DeleteMessages { conversation, ids } => {
                self.records().await?.delete_messages(ids).await?;
                self.changed(id, Some(*conversation))
            }
            LibraryRequest::Delete { id: conversation } => {
                self.records().await?.delete(*conversation).await?;
                self.changed(id, Some(*conversation))
            }
            LibraryRequest::DeleteAll => {
                self.records().await?.clear().await?;
                self.changed(id, None)
            }
            LibraryRequest::Import { texts } => self.import(id, &*self.records().await?, texts).await?,
            LibraryRequest::Export { ids, format } => {
                export(id, &*self.records().await?, ids.as_deref(), *format).await?
            }
            // Files that are remembered.
            LibraryRequest::PutFiles { name } => {
                self.records().await?.put_files(name, handles).await?;
                LibraryEvent::Done { id }
            }
            LibraryRequest::Files => {
                let (names, handles): (Vec<_>, Vec<_>) = self.records().await?.files().await?.into_iter().unzip();
                let handles: Array = handles.into_iter().collect();
                return Ok((LibraryEvent::Files { id, names }, Some(handles.into())));
            }
            LibraryRequest::DeleteFiles { name } => {
                self.records().await?.delete_files(name).await?;
                LibraryEvent::Done { id }
            }
        };
        Ok((event, None))
    }

    /// Something was changed: other tabs hear of it, and whoever asked.
    fn changed(&self, id: u32, conversation: Option<Id>) -> LibraryEvent {
        self.tell_changed(conversation);
        LibraryEvent::Done { id }
    }

    async fn records(&self) -> Result<Rc<Records>, LibraryError> {
        let open = self.records.borrow().clone();
        if let Some(records) = open {
            return Ok(records);
        }
        // Two requests may open it at the same time; one of the two stays.
        let opened = Rc::new(Records::open(&self.site).await?);
        Ok(Rc::clone(self.records.borrow_mut().get_or_insert(opened)))
    }

    /// Tells other tabs.
    fn tell_changed(&self, conversation: Option<Id>) {
        let message = conversation.map_or(JsValue::NULL, |id| id.to_string().into());
        if let Err(error) = self.changes.post_message(&message) {
            console::error_1(&error);
        }
    }

    fn render(&self, id: u32, key: Id, known_bytes: usize, added: &str, is_final: bool) -> LibraryEvent {
        let mut texts = self.texts.borrow_mut();
        let mut renderer = texts.remove(&key).filter(|text| text.len_bytes() == known_bytes).unwrap_or_default();
        let Update { first_block, blocks } = if is_final {
            renderer.finish(added)
        } else {
            let update = renderer.push(added);
            texts.insert(key, renderer);
            update
        };
        LibraryEvent::Rendered { id, first_block: first_block as u32, blocks }
    }

    async fn import(&self, id: u32, records: &Records, texts: &[String]) -> Result<LibraryEvent, LibraryError> {
        let (mut added, mut known) = (0, 0);
        for text in texts {
            for mut conversation in exchange::from_text(text)? {
                if records.conversation(conversation.summary.id).await?.is_some() {
                    known += 1;
                } else {
                    // Messages that are here belong to other conversations.
                    let taken = records.taken(&conversation.messages).await?;
                    exchange::rename_messages(&mut conversation, &taken);
                    records.put(Some(&conversation.summary), &conversation.messages).await?;
                    added += 1;
                }
            }
        }
        self.tell_changed(None);
        Ok(LibraryEvent::Imported { id, added, known })
    }
}

/// Conversations that hold all words of a query: pinned ones first, then those changed last.
async fn list(records: &Records, query: &str) -> Result<Vec<ConversationSummary>, LibraryError> {
    let mut summaries = records.summaries().await?;
    let words = search::words(query);
    if !words.is_empty() {
        let mut texts: HashMap<Id, Vec<String>> = HashMap::new();
        for Message { conversation, content, .. } in records.messages().await? {
            texts.entry(conversation).or_default().push(content.to_lowercase());
        }
        summaries.retain(|summary| {
            let title = summary.title.to_lowercase();
            let texts = texts.get(&summary.id).map(Vec::as_slice).unwrap_or_default();
            let all: Vec<&str> = texts.iter().map(String::as_str).chain([title.as_str()]).collect();
            search::matches(&words, &all)
        });
    }
    summaries.sort_by(|a, b| b.is_pinned.cmp(&a.is_pinned).then(b.updated_ms.total_cmp(&a.updated_ms)));
    Ok(summaries)
}

async fn export(
    id: u32,
    records: &Records,
    ids: Option<&[Id]>,
    format: ExportFormat,
) -> Result<LibraryEvent, LibraryError> {
    let ids = match ids {
        Some(ids) => ids.to_vec(),
        None => list(records, "").await?.into_iter().map(|summary| summary.id).collect(),
    };
    let mut conversations: Vec<Conversation> = Vec::with_capacity(ids.len());
    for id in ids {
        conversations.extend(records.conversation(id).await?);
    }
    let stem = match conversations.as_slice() {
        [one] => file_stem(&one.summary.title),
        _ => "parlance-conversations".to_owned(),
    };
    let (extension, text) = match format {
        ExportFormat::Markdown => ("md", exchange::to_markdown(&conversations)),
        ExportFormat::Json => ("json", exchange::to_json(conversations)?),
    };
    Ok(LibraryEvent::Exported { id, name: format!("{stem}.{extension}"), text })
}

/// The best passages; `vectors` are those of the question and of all passages.
fn best(passages: &[String], vectors: &[Vec<f32>], max_chars: u32) -> Vec<u32> {
    let Some((question, vectors)) = vectors.split_first() else { return Vec::new() };
    let chosen = passages::best_by_meaning(passages, question, vectors, max_chars as usize);
    chosen.into_iter().map(|index| index as u32).collect()
}

/// A title without what file systems refuse.
fn file_stem(title: &str) -> String {
    let kept = |c: char| if c.is_alphanumeric() || c == '-' || c == '_' { c } else { ' ' };
    let words: String = title.chars().map(kept).collect();
    let stem = words.split_whitespace().collect::<Vec<_>>().join("-");
    if stem.is_empty() { "conversation".to_owned() } else { stem }
}

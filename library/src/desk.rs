//! What the library does for the page, one request at a time or several beside each other.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use js_sys::Array;
use parlance_protocol::library::{
    Conversation, ConversationSummary, ExportFormat, Id, LibraryCall, LibraryEvent, LibraryRequest, Message,
};
use parlance_text::calculator::calculate;
use parlance_text::exchange;
use parlance_text::markdown::{Renderer, Update};
use parlance_text::passages::{self, Vectors};
use parlance_text::search;
use wasm_bindgen::JsValue;
use web_sys::{BroadcastChannel, console};

use crate::database::Records;
use crate::error::LibraryError;

/// Everything that requests work on.
pub(crate) struct Desk {
    site: String,
    /// Opened by the first request that needs it.
    records: OnceCell<Rc<Records>>,
    /// Texts that are being written.
    texts: RefCell<HashMap<Id, Renderer>>,
    changes: BroadcastChannel,
}

impl Desk {
    pub(crate) fn new(site: &str, changes: BroadcastChannel) -> Self {
        Self { site: site.to_owned(), records: OnceCell::new(), texts: RefCell::default(), changes }
    }

    /// Does what is asked; `handles` travelled beside it. Gives what travels beside the answer, too.
    pub(crate) async fn answer(&self, call: LibraryCall, handles: JsValue) -> (LibraryEvent, Option<JsValue>) {
        let id = call.id;
        let answer = match call.request {
            LibraryRequest::PutFiles { .. } | LibraryRequest::Files | LibraryRequest::DeleteFiles { .. } => {
                self.look_after_files(id, call.request, &handles).await
            }
            _ => Ok((self.answer_alone(call).await, None)),
        };
        answer.unwrap_or_else(|error| (LibraryEvent::Failed { id, message: error.to_string() }, None))
    }

    /// Requests about files that are remembered.
    async fn look_after_files(
        &self,
        id: u32,
        request: LibraryRequest,
        handles: &JsValue,
    ) -> Result<(LibraryEvent, Option<JsValue>), LibraryError> {
        let records = self.records().await?;
        match request {
            LibraryRequest::PutFiles { name } => records.put_files(&name, handles).await?,
            LibraryRequest::DeleteFiles { name } => records.delete_files(&name).await?,
            _ => {
                let (names, handles): (Vec<String>, Vec<JsValue>) = records.files().await?.into_iter().unzip();
                let handles: Array = handles.into_iter().collect();
                return Ok((LibraryEvent::Files { id, names }, Some(handles.into())));
            }
        }
        Ok((LibraryEvent::Done { id }, None))
    }

    /// Requests and answers that travel alone.
    async fn answer_alone(&self, call: LibraryCall) -> LibraryEvent {
        let id = call.id;
        let answer = match call.request {
            LibraryRequest::Render { key, known_bytes, added, is_final } => {
                Ok(self.render(id, key, known_bytes as usize, &added, is_final))
            }
            LibraryRequest::Calculate { expression } => {
                Ok(LibraryEvent::Calculated { id, value: calculate(&expression) })
            }
            LibraryRequest::Split { text } => Ok(LibraryEvent::Passages { id, passages: passages::split(&text) }),
            LibraryRequest::Best { passages, question, vectors, max_chars } => {
                Ok(LibraryEvent::Best { id, chosen: best(&passages, &question, vectors.as_deref(), max_chars) })
            }
            request => self.look_after(id, request).await,
        };
        answer.unwrap_or_else(|error| LibraryEvent::Failed { id, message: error.to_string() })
    }

    /// Requests about conversations.
    async fn look_after(&self, id: u32, request: LibraryRequest) -> Result<LibraryEvent, LibraryError> {
        let records = self.records().await?;
        match request {
            LibraryRequest::List { query } => {
                return Ok(LibraryEvent::Listed { id, conversations: list(&records, &query).await? });
            }
            LibraryRequest::Open { id: conversation } => {
                return Ok(LibraryEvent::Opened { id, conversation: records.conversation(conversation).await? });
            }
            LibraryRequest::PutSummary { summary } => {
                records.put(Some(&summary), &[]).await?;
                self.tell_changed(Some(summary.id));
            }
            LibraryRequest::PutMessages { messages } => {
                records.put(None, &messages).await?;
                self.tell_changed(messages.first().map(|message| message.conversation));
            }
            LibraryRequest::DeleteMessages { conversation, ids } => {
                records.delete_messages(&ids).await?;
                self.tell_changed(Some(conversation));
            }
            LibraryRequest::Delete { id: conversation } => {
                records.delete(conversation).await?;
                self.tell_changed(Some(conversation));
            }
            LibraryRequest::DeleteAll => {
                records.clear().await?;
                self.tell_changed(None);
            }
            LibraryRequest::Import { texts } => return self.import(id, &records, &texts).await,
            LibraryRequest::Export { ids, format } => return export(id, &records, ids, format).await,
            // Answered elsewhere.
            LibraryRequest::Render { .. }
            | LibraryRequest::PutFiles { .. }
            | LibraryRequest::Files
            | LibraryRequest::DeleteFiles { .. }
            | LibraryRequest::Calculate { .. }
            | LibraryRequest::Split { .. }
            | LibraryRequest::Best { .. } => {}
        }
        Ok(LibraryEvent::Done { id })
    }

    async fn records(&self) -> Result<Rc<Records>, LibraryError> {
        if let Some(records) = self.records.get() {
            return Ok(Rc::clone(records));
        }
        // Two requests may open it at the same time; one of the two stays.
        let opened = Rc::new(Records::open(&self.site).await?);
        Ok(Rc::clone(self.records.get_or_init(|| opened)))
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
            for conversation in exchange::from_text(text)? {
                if records.conversation(conversation.summary.id).await?.is_some() {
                    known += 1;
                } else {
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
    ids: Option<Vec<Id>>,
    format: ExportFormat,
) -> Result<LibraryEvent, LibraryError> {
    let ids = match ids {
        Some(ids) => ids,
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
fn best(passages: &[String], question: &str, vectors: Option<&[Vec<f32>]>, max_chars: u32) -> Vec<u32> {
    let vectors = vectors.and_then(<[_]>::split_first);
    let vectors = vectors.map(|(question, passages)| Vectors { question, passages });
    let chosen = passages::best(passages, question, vectors.as_ref(), max_chars as usize);
    chosen.into_iter().map(|index| index as u32).collect()
}

/// A title without what file systems refuse.
fn file_stem(title: &str) -> String {
    let kept = |c: char| if c.is_alphanumeric() || c == '-' || c == '_' { c } else { ' ' };
    let words: String = title.chars().map(kept).collect();
    let stem = words.split_whitespace().collect::<Vec<_>>().join("-");
    if stem.is_empty() { "conversation".to_owned() } else { stem }
}

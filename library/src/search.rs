//! Search in all conversations. They are read once, with the first search; what changes meanwhile is read again with the next one.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use parlance_protocol::library::{Conversation, ConversationSummary, Found, Id, Message};
use parlance_text::search::{SearchIndex, excerpt, pieces, words};

use crate::database::LibraryDatabase;
use crate::error::LibraryError;

/// How many conversations a search returns.
const MAX_FOUND: usize = 200;

/// All conversations, as far as a search has to know them.
#[derive(Default)]
struct Known {
    summaries: HashMap<Id, ConversationSummary>,
    index: SearchIndex,
}

impl Known {
    fn set<'t>(&mut self, summary: ConversationSummary, messages: impl Iterator<Item = &'t Message>) {
        let tags: Vec<String> = summary.tags.iter().map(|tag| format!("#{tag}")).collect();
        let messages = messages.map(|message| message.content.as_str());
        let texts = messages.chain(tags.iter().map(String::as_str)).chain([summary.title.as_str()]);
        self.index.set(summary.id, texts);
        self.summaries.insert(summary.id, summary);
    }

    fn remove(&mut self, id: Id) {
        self.summaries.remove(&id);
        self.index.remove(id);
    }
}

/// The state of searches.
#[derive(Default)]
pub(crate) struct Search {
    /// `None` until a search has read all conversations.
    known: RefCell<Option<Known>>,
    /// Conversations that have changed since they were read.
    stale: RefCell<HashSet<Id>>,
}

impl Search {
    /// Notes that a conversation has changed, or any of them.
    pub(crate) fn changed(&self, conversation: Option<Id>) {
        if let Some(id) = conversation {
            self.stale.borrow_mut().insert(id);
        } else {
            self.known.replace(None);
        }
    }

    /// The conversations that contain all words of a query: pinned ones first, then the most recently changed.
    pub(crate) async fn find(
        &self,
        database: &LibraryDatabase,
        query: &str,
    ) -> Result<Vec<ConversationSummary>, LibraryError> {
        if let Err(error) = self.update(database).await {
            // What has been read may be incomplete.
            self.known.replace(None);
            return Err(error);
        }
        let known = self.known.borrow();
        let Some(Known { summaries, index }) = &*known else { return Ok(Vec::new()) };
        let found = index.search(&words(query)).into_iter().filter_map(|id| summaries.get(&id));
        let mut found: Vec<&ConversationSummary> = found.collect();
        found.sort_by(|a, b| newest_first(a, b));
        Ok(found.into_iter().take(MAX_FOUND).cloned().collect())
    }

    async fn update(&self, database: &LibraryDatabase) -> Result<(), LibraryError> {
        let is_usable = self.known.borrow().as_ref().is_some_and(|known| !known.index.is_worn());
        if !is_usable {
            // Before they are read: what changes from now on is read again.
            self.stale.borrow_mut().clear();
            let known = read_all(database).await?;
            self.known.replace(Some(known));
        }
        for id in self.stale.take() {
            let conversation = database.conversation(id).await?;
            let mut known = self.known.borrow_mut();
            let Some(known) = known.as_mut() else { break };
            match conversation {
                Some(Conversation { summary, messages }) => known.set(summary, messages.iter()),
                None => known.remove(id),
            }
        }
        Ok(())
    }
}

/// Orders pinned conversations first, then the most recently changed.
pub(crate) fn newest_first(a: &ConversationSummary, b: &ConversationSummary) -> std::cmp::Ordering {
    b.is_pinned.cmp(&a.is_pinned).then(b.updated_ms.total_cmp(&a.updated_ms))
}

async fn read_all(database: &LibraryDatabase) -> Result<Known, LibraryError> {
    let mut messages: HashMap<Id, Vec<Message>> = HashMap::new();
    for message in database.messages().await? {
        messages.entry(message.conversation).or_default().push(message);
    }
    let mut known = Known::default();
    for summary in database.summaries().await? {
        let own = messages.remove(&summary.id).unwrap_or_default();
        known.set(summary, own.iter());
    }
    Ok(known)
}

/// Where these conversations have the words of a query. Those that do not exist are left out.
pub(crate) async fn highlight(database: &LibraryDatabase, ids: &[Id], query: &str) -> Result<Vec<Found>, LibraryError> {
    let words = words(query);
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(Conversation { summary, messages }) = database.conversation(*id).await? else { continue };
        let excerpt = messages.iter().find_map(|message| excerpt(&message.content, &words)).unwrap_or_default();
        found.push(Found { id: *id, title: pieces(&summary.title, &words), excerpt });
    }
    Ok(found)
}

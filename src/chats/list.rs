//! The list of conversations: all, or those that a search has found.

use std::collections::HashMap;

use leptos::prelude::*;
use parlance_protocol::library::{ConversationSummary, Found, Id};

use super::Chats;

/// How many conversations that a search has found are shown with what matched.
const HIGHLIGHTED: usize = 30;

impl Chats {
    /// Conversations that match the search; `None` until they have been loaded.
    pub(crate) fn list(self) -> Signal<Option<Vec<ConversationSummary>>> {
        self.list.into()
    }

    /// All conversations, whatever the search finds; none, and a notification, if they cannot be read.
    pub(crate) async fn all(self) -> Vec<ConversationSummary> {
        self.library.list(String::new()).await.unwrap_or_else(|message| {
            self.notify(message);
            Vec::new()
        })
    }

    /// The search query.
    pub(crate) fn query(self) -> RwSignal<String> {
        self.query
    }

    /// Reloads the list, and marks the words of the query in the first of its conversations.
    pub(super) fn refresh(self, query: String) {
        leptos::task::spawn_local(async move {
            let list = self.library.list(query.clone()).await;
            // The query may have changed in the meantime.
            let is_current = || self.query.with_untracked(|now| *now == query);
            let list = match list {
                Ok(list) if is_current() => list,
                Ok(_) => return,
                Err(message) => {
                    self.list.set(Some(Vec::new()));
                    return self.notify(message);
                }
            };
            let first: Vec<Id> = list.iter().take(HIGHLIGHTED).map(|summary| summary.id).collect();
            self.list.set(Some(list));
            if query.trim().is_empty() {
                if !self.found.read_untracked().is_empty() {
                    self.found.update(HashMap::clear);
                }
                return;
            }
            if let Ok(found) = self.library.highlight(first, query.clone()).await
                && is_current()
            {
                self.found.set(found.into_iter().map(|found| (found.id, found)).collect());
            }
        });
    }

    /// Where a conversation has the words of the search, if it is among the first in the list. Reactive.
    pub(crate) fn found(self, id: Id) -> Option<Found> {
        self.found.read().get(&id).cloned()
    }

    pub(super) fn refresh_list(self) {
        self.refresh(self.query.get_untracked());
    }
}

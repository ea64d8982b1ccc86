//! Actions on several conversations at once.

use std::collections::BTreeSet;

use leptos::prelude::*;
use parlance_protocol::library::Id;

use super::Chats;

impl Chats {
    /// The conversations that are chosen for an action; `None` while none can be chosen.
    pub(crate) fn selection(self) -> RwSignal<Option<BTreeSet<Id>>> {
        self.selection
    }

    /// Chooses a conversation, or no longer.
    pub(crate) fn toggle_selected(self, id: Id) {
        self.selection.update(|selection| {
            if let Some(selection) = selection
                && !selection.remove(&id)
            {
                selection.insert(id);
            }
        });
    }

    /// The chosen conversations.
    pub(crate) fn selected(self) -> Vec<Id> {
        self.selection.get_untracked().unwrap_or_default().into_iter().collect()
    }

    /// Pins the chosen conversations, or no longer if all of them are.
    pub(crate) fn pin_selected(self) {
        let chosen = self.selected();
        self.selection.set(None);
        leptos::task::spawn_local(async move {
            // A search may have hidden some of them since they were chosen.
            let mut summaries = self.all().await;
            summaries.retain(|summary| chosen.contains(&summary.id));
            let pins = !summaries.iter().all(|summary| summary.is_pinned);
            for summary in summaries {
                self.change(&summary, |summary| summary.is_pinned = pins);
            }
        });
    }

    /// Deletes the chosen conversations. They can be restored while the toast is shown.
    pub(crate) fn delete_selected(self) {
        self.delete_many(self.selected());
        self.selection.set(None);
    }
}

//! Temporary conversations: they are on screen only. Nothing of them is saved, and leaving them ends them.

use leptos::prelude::*;
use parlance_protocol::library::Id;

use super::Chats;
use crate::conversation::ConversationStoreFields as _;
use crate::storage;

impl Chats {
    /// Whether the conversation on screen is temporary. Reactive.
    pub(crate) fn is_temporary(self) -> bool {
        let id = self.current.summary().read().id;
        self.temporary.read().contains(&id)
    }

    /// Makes the conversation on screen temporary, or one that is saved. Only one that has not begun can change.
    pub(crate) fn set_temporary(self, is_temporary: bool) {
        if self.is_saved.get_untracked() || !self.branch.with_untracked(Vec::is_empty) {
            return;
        }
        let id = self.conversation_id();
        self.temporary.update(|temporary| {
            temporary.retain(|known| *known != id);
            if is_temporary {
                temporary.push(id);
            }
        });
        let draft = if is_temporary { String::new() } else { self.draft.get_untracked() };
        storage::set_new_chat_draft(&draft);
    }

    /// Whether a conversation may be saved.
    pub(super) fn is_kept(self, id: Id) -> bool {
        self.temporary.with_untracked(|temporary| !temporary.contains(&id))
    }

    /// Whether the conversation on screen is temporary and has not begun.
    pub(super) fn is_blank_temporary(self) -> bool {
        !self.is_kept(self.conversation_id()) && self.branch.with_untracked(Vec::is_empty)
    }

    /// Ends the answers of the conversation on screen if it is temporary, and what waits for them, because another one is shown.
    pub(super) fn leave_temporary(self, next: Id) {
        let id = self.conversation_id();
        if id != next && !self.is_kept(id) {
            self.discard(|message| message.conversation == id);
            self.forget_queued(id);
        }
    }
}

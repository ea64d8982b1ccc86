//! Editing, deleting, exporting and importing conversations, attaching images, and switching between branches.

use std::sync::Arc;

use leptos::prelude::*;
use parlance_protocol::library::{self, ConversationSummary, ExportFormat, Id};
use web_sys::Blob;

use super::{Chats, Toast, tree};
use crate::conversation::{ChatMessage, ConversationStoreFields as _, MessageId};
use crate::i18n::{t, tf};
use crate::library::ExportedFile;

impl Chats {
    /// Stores an image and attaches it to the message in the composer. Says so if it was scaled, or cannot be used.
    pub(crate) async fn attach_image(self, file: &Blob, name: String) {
        match self.library.add_image(file, name).await {
            Ok((image, scaled_from)) => {
                if let Some((width, height)) = scaled_from {
                    let size = |width: u32, height: u32| format!("{width} × {height}");
                    let (from, to) = (size(width, height), size(image.width, image.height));
                    let arguments = [("name", image.alt.as_str().into()), ("from", from.into()), ("to", to.into())];
                    self.notify(tf("image-scaled", arguments));
                }
                self.images.update(|images| images.push(image));
            }
            Err(message) => self.notify(message),
        }
    }

    /// Changes a conversation's summary, such as its title or folder.
    pub(crate) fn change(self, summary: &ConversationSummary, change: impl FnOnce(&mut ConversationSummary)) {
        let mut changed = summary.clone();
        change(&mut changed);
        if self.is_current(changed.id) {
            self.current.summary().set(changed.clone());
        }
        self.put_summary(changed);
    }

    /// Sets or removes the system prompt of the conversation on screen.
    pub(crate) fn set_system_prompt(self, prompt: Option<String>) {
        self.current.summary().write().system_prompt = prompt;
        self.save_summary();
    }

    /// Deletes a conversation. It can be restored while the toast is shown.
    pub(crate) fn delete(self, id: Id) {
        self.delete_many(vec![id]);
    }

    /// Deletes conversations. They can be restored while the toast is shown.
    pub(super) fn delete_many(self, ids: Vec<Id>) {
        let shown = ids.iter().copied().find(|id| self.is_current(*id));
        self.selection.update(|selection| {
            if let Some(selection) = selection {
                selection.retain(|id| !ids.contains(id));
            }
        });
        // So that undo restores everything generated so far.
        self.save_answers();
        self.discard(|message| ids.contains(&message.conversation));
        leptos::task::spawn_local(async move {
            let mut deleted = Vec::with_capacity(ids.len());
            for id in ids {
                match self.delete_now(id).await {
                    Ok(conversation) => {
                        // Its draft has what waited.
                        self.forget_queued(id);
                        deleted.extend(conversation);
                    }
                    Err(message) => {
                        self.notify(message);
                        break;
                    }
                }
            }
            self.refresh_list();
            if shown.is_some_and(|shown| deleted.iter().any(|deleted| deleted.summary.id == shown)) {
                self.show_new();
            }
            let text = match deleted.len() {
                0 => return,
                1 => t("conversation-deleted"),
                count => tf("some-conversations-deleted", [("count", count.into())]),
            };
            let undo: Arc<dyn Fn() + Send + Sync> = Arc::new(move || self.restore(deleted.clone(), shown));
            self.toast.set(Some(Toast { text, undo: Some(undo) }));
        });
    }

    /// Deletes a conversation and returns it, if it exists.
    async fn delete_now(self, id: Id) -> Result<Option<library::Conversation>, String> {
        let conversation = self.library.open(id).await?;
        self.library.delete(id).await?;
        Ok(conversation)
    }

    /// Saves deleted conversations again, and opens one of them.
    fn restore(self, deleted: Vec<library::Conversation>, opened: Option<Id>) {
        leptos::task::spawn_local(async move {
            for conversation in deleted {
                self.put_messages(conversation.messages);
                if let Err(message) = self.library.put_summary(conversation.summary).await {
                    self.notify(message);
                }
            }
            self.refresh_list();
            if opened.is_some() {
                self.open(opened);
            }
        });
    }

    /// Deletes all conversations.
    pub(crate) fn delete_all(self) {
        self.discard(|_| true);
        leptos::task::spawn_local(async move {
            match self.library.delete_all().await {
                Ok(()) => {
                    self.selection.set(None);
                    self.show_new();
                    self.refresh_list();
                    self.notify(t("conversations-deleted"));
                }
                Err(message) => self.notify(message),
            }
        });
    }

    /// Deletes a message and all its replies. They can be restored while the toast is shown.
    pub(crate) fn delete_message(self, id: MessageId) {
        let conversation = self.conversation_id();
        let (deleted, leaf) = {
            let messages = self.current.messages();
            let messages = messages.read_untracked();
            let ids = tree::subtree(&messages, id);
            let deleted = messages.iter().filter(|message| ids.contains(&message.id)).cloned();
            // Restored answers are not generated any further.
            let deleted: Vec<ChatMessage> = deleted.map(ChatMessage::stopped).collect();
            // Show a sibling instead, or else end the branch with the parent.
            let others: Vec<MessageId> =
                tree::siblings(&messages, id).into_iter().filter(|sibling| *sibling != id).collect();
            let parent = deleted.iter().find(|message| message.id == id).and_then(|message| message.parent);
            let leaf = others.last().map(|sibling| tree::newest_leaf(&messages, *sibling)).or(parent);
            (deleted, leaf)
        };
        self.discard(|message| deleted.iter().any(|deleted| deleted.id == message.id));
        let old_leaf = self.current.summary().read_untracked().leaf;
        let ids: Vec<MessageId> = deleted.iter().map(|message| message.id).collect();
        self.show_branch(leaf);
        self.current.messages().write().retain(|message| !ids.contains(&message.id));
        leptos::task::spawn_local(async move {
            if let Err(message) = self.library.delete_messages(conversation, ids).await {
                self.notify(message);
            }
        });
        let undo: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
            if self.conversation_id() == conversation {
                self.put_messages(deleted.iter().map(|message| message.to_record(conversation)).collect());
                self.current.messages().write().extend(deleted.iter().cloned());
                self.show_branch(old_leaf);
            }
        });
        self.toast.set(Some(Toast { text: t("message-deleted"), undo: Some(undo) }));
    }

    /// The index of a message among its siblings and the number of siblings. Reactive.
    pub(crate) fn branch_position(self, id: MessageId) -> (usize, usize) {
        self.branch.track();
        let siblings = tree::siblings(&self.current.messages().read_untracked(), id);
        (siblings.iter().position(|sibling| *sibling == id).unwrap_or_default(), siblings.len())
    }

    /// Shows the branch through the previous or next sibling of `id`.
    pub(crate) fn switch_branch(self, id: MessageId, step: isize) {
        let leaf = {
            let messages = self.current.messages();
            let messages = messages.read_untracked();
            let siblings = tree::siblings(&messages, id);
            let index = siblings.iter().position(|sibling| *sibling == id).unwrap_or_default();
            let next = index.checked_add_signed(step).and_then(|index| siblings.get(index));
            next.map(|sibling| tree::newest_leaf(&messages, *sibling))
        };
        if leaf.is_some() {
            self.show_branch(leaf);
        }
    }

    /// Exports conversations as a file; all of them if `ids` is `None`.
    pub(crate) async fn export(self, ids: Option<Vec<Id>>, format: ExportFormat) -> Option<ExportedFile> {
        match self.library.export(ids, format).await {
            Ok(file) => Some(file),
            Err(message) => {
                self.notify(message);
                None
            }
        }
    }

    /// Imports conversations from exported files. Returns how many were added and how many were already present.
    pub(crate) async fn import(self, texts: Vec<String>) -> Result<(u32, u32), String> {
        let imported = self.library.import(texts).await;
        self.refresh_list();
        imported
    }
}

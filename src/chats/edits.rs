//! What the user does to conversations and messages beside talking.

use std::sync::Arc;

use leptos::prelude::*;
use parlance_protocol::library::{self, ConversationSummary, ExportFormat, Id};

use super::{Chats, Toast, tree};
use crate::conversation::{ChatMessage, ConversationStoreFields as _, MessageId};
use crate::i18n::t;
use crate::library::ExportedFile;

impl Chats {
    /// Changes what lists show of a conversation.
    pub(crate) fn change(self, summary: &ConversationSummary, change: impl FnOnce(&mut ConversationSummary)) {
        let mut changed = summary.clone();
        change(&mut changed);
        if self.is_current(changed.id) {
            self.current.summary().set(changed.clone());
        }
        self.put_summary(changed);
    }

    /// Gives the conversation on screen a system prompt of its own, or takes it away.
    pub(crate) fn set_system_prompt(self, prompt: Option<String>) {
        self.current.summary().write().system_prompt = prompt;
        self.keep_summary();
    }

    /// Deletes a conversation; it can be brought back for as long as the toast stands.
    pub(crate) fn delete(self, id: Id) {
        let is_current = self.is_current(id);
        // What is brought back is all that was there.
        self.save_answers();
        self.abandon(|message| message.conversation == id);
        leptos::task::spawn_local(async move {
            let conversation = match self.library.open(id).await {
                Ok(conversation) => conversation,
                Err(message) => return self.tell(message),
            };
            if let Err(message) = self.library.delete(id).await {
                return self.tell(message);
            }
            self.refresh_list();
            if is_current {
                self.show_new();
            }
            if let Some(conversation) = conversation {
                let undo: Arc<dyn Fn() + Send + Sync> =
                    Arc::new(move || self.bring_back(conversation.clone(), is_current));
                self.toast.set(Some(Toast { text: t("conversation-deleted"), undo: Some(undo) }));
            }
        });
    }

    fn bring_back(self, conversation: library::Conversation, shows: bool) {
        leptos::task::spawn_local(async move {
            let id = conversation.summary.id;
            self.put_messages(conversation.messages);
            if let Err(message) = self.library.put_summary(conversation.summary).await {
                self.tell(message);
            }
            self.refresh_list();
            if shows {
                self.open(Some(id));
            }
        });
    }

    /// Deletes all conversations.
    pub(crate) fn delete_all(self) {
        self.abandon(|_| true);
        leptos::task::spawn_local(async move {
            match self.library.delete_all().await {
                Ok(()) => {
                    self.show_new();
                    self.refresh_list();
                    self.tell(t("conversations-deleted"));
                }
                Err(message) => self.tell(message),
            }
        });
    }

    /// Deletes a message with all that follows it; it can be brought back for as long as the toast stands.
    pub(crate) fn delete_message(self, id: MessageId) {
        let conversation = self.shown_id();
        let (gone, leaf) = {
            let messages = self.current.messages();
            let messages = messages.read_untracked();
            let ids = tree::subtree(&messages, id);
            let gone = messages.iter().filter(|message| ids.contains(&message.id)).cloned();
            // What is brought back is not written any more.
            let gone: Vec<ChatMessage> = gone.map(ChatMessage::stopped).collect();
            // The neighbour takes its place; else the branch ends with the message before.
            let others: Vec<MessageId> =
                tree::siblings(&messages, id).into_iter().filter(|sibling| *sibling != id).collect();
            let parent = gone.iter().find(|message| message.id == id).and_then(|message| message.parent);
            let leaf = others.last().map(|sibling| tree::newest_leaf(&messages, *sibling)).or(parent);
            (gone, leaf)
        };
        self.abandon(|message| gone.iter().any(|gone| gone.id == message.id));
        let old_leaf = self.current.summary().read_untracked().leaf;
        let ids: Vec<MessageId> = gone.iter().map(|message| message.id).collect();
        self.show_branch(leaf);
        self.current.messages().write().retain(|message| !ids.contains(&message.id));
        leptos::task::spawn_local(async move {
            if let Err(message) = self.library.delete_messages(conversation, ids).await {
                self.tell(message);
            }
        });
        let undo: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
            if self.shown_id() == conversation {
                self.put_messages(gone.iter().map(|message| message.to_record(conversation)).collect());
                self.current.messages().write().extend(gone.iter().cloned());
                self.show_branch(old_leaf);
            }
        });
        self.toast.set(Some(Toast { text: t("message-deleted"), undo: Some(undo) }));
    }

    /// The place of a message among those that follow the same one, from 0, and how many there are. Reactive.
    pub(crate) fn place(self, id: MessageId) -> (usize, usize) {
        self.branch.track();
        let siblings = tree::siblings(&self.current.messages().read_untracked(), id);
        (siblings.iter().position(|sibling| *sibling == id).unwrap_or_default(), siblings.len())
    }

    /// Shows the branch through the message before or after `id` among those that follow the same one.
    pub(crate) fn switch_branch(self, id: MessageId, step: isize) {
        let leaf = {
            let messages = self.current.messages();
            let messages = messages.read_untracked();
            let siblings = tree::siblings(&messages, id);
            let place = siblings.iter().position(|sibling| *sibling == id).unwrap_or_default();
            let next = place.checked_add_signed(step).and_then(|place| siblings.get(place));
            next.map(|sibling| tree::newest_leaf(&messages, *sibling))
        };
        if leaf.is_some() {
            self.show_branch(leaf);
        }
    }

    /// Writes conversations as a file; all if none is named.
    pub(crate) async fn export(self, ids: Option<Vec<Id>>, format: ExportFormat) -> Option<ExportedFile> {
        match self.library.export(ids, format).await {
            Ok(file) => Some(file),
            Err(message) => {
                self.tell(message);
                None
            }
        }
    }

    /// Adds the conversations of exported files.
    pub(crate) async fn import(self, texts: Vec<String>) -> Result<(u32, u32), String> {
        let imported = self.library.import(texts).await;
        self.refresh_list();
        imported
    }
}

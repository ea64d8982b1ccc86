//! Chats exported by Open WebUI.

use std::collections::HashMap;

use parlance_protocol::library::{Conversation, ConversationSummary, Message, Role};
use serde::Deserialize;
use serde_json::Value;

use super::fields::{complete, role};
use super::ids::derive_id;

#[derive(Deserialize)]
struct Entry {
    id: Option<String>,
    title: Option<String>,
    created_at: Option<f64>,
    updated_at: Option<f64>,
    pinned: Option<bool>,
    chat: Chat,
}

#[derive(Deserialize)]
struct Chat {
    title: Option<String>,
    history: History,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct History {
    current_id: Option<String>,
    messages: HashMap<String, Node>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    parent_id: Option<String>,
    role: String,
    #[serde(default)]
    content: String,
    timestamp: Option<f64>,
    model: Option<String>,
}

/// Converts an entry to a conversation; `None` if it has another format.
pub(super) fn parse(entry: &Value) -> Option<Conversation> {
    let Entry { id, title, created_at, updated_at, pinned, chat } = Entry::deserialize(entry).ok()?;
    let title = title.or(chat.title).unwrap_or_default();
    let created_ms = created_at.unwrap_or_default() * 1000.0;
    let name = id.unwrap_or_else(|| format!("{title} {created_ms}"));
    let id = derive_id(&["open-webui", &name]);
    let message_id = |node: &str| derive_id(&["open-webui", &name, node]);
    let mut messages: Vec<Message> = chat
        .history
        .messages
        .iter()
        .filter_map(|(node, message)| {
            let role = role(&message.role)?;
            Some(Message {
                id: message_id(node),
                conversation: id,
                parent: message.parent_id.as_deref().map(message_id),
                role,
                content: message.content.clone(),
                created_ms: message.timestamp.unwrap_or_default() * 1000.0,
                model: message.model.clone(),
                ending: (role == Role::Assistant).then(complete),
                ..Message::default()
            })
        })
        .collect();
    messages.sort_by(Message::chronological);
    let summary = ConversationSummary {
        id,
        title,
        is_title_given: true,
        created_ms,
        updated_ms: updated_at.map_or(created_ms, |seconds| seconds * 1000.0),
        is_pinned: pinned.unwrap_or_default(),
        leaf: chat.history.current_id.as_deref().map(message_id),
        ..ConversationSummary::default()
    };
    Some(Conversation { summary, messages })
}

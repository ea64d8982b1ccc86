//! `conversations.json` of a `ChatGPT` export: a tree of nodes, some of which hold no message of a person or the model.

use std::collections::HashMap;

use parlance_protocol::library::{Conversation, ConversationSummary, Id, Message, Role};
use serde::Deserialize;
use serde_json::Value;

use super::complete;
use super::names::id_from;

#[derive(Deserialize)]
struct Entry {
    title: Option<String>,
    create_time: Option<f64>,
    update_time: Option<f64>,
    conversation_id: Option<String>,
    id: Option<String>,
    current_node: Option<String>,
    mapping: HashMap<String, Node>,
}

#[derive(Deserialize)]
struct Node {
    message: Option<NodeMessage>,
    parent: Option<String>,
}

#[derive(Deserialize)]
struct NodeMessage {
    author: Author,
    create_time: Option<f64>,
    #[serde(default)]
    content: Value,
    #[serde(default)]
    metadata: Value,
}

#[derive(Deserialize)]
struct Author {
    role: String,
}

impl NodeMessage {
    /// Who says what, if it is a text of a person or the model.
    fn said(&self) -> Option<(Role, String)> {
        let role = match self.author.role.as_str() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            _ => return None,
        };
        let parts = self.content["parts"].as_array()?;
        let texts: Vec<&str> = parts.iter().filter_map(Value::as_str).filter(|text| !text.trim().is_empty()).collect();
        (!texts.is_empty()).then(|| (role, texts.join("\n\n")))
    }
}

/// A conversation, or `None` if the entry is of another kind.
pub(super) fn read(entry: &Value) -> Option<Conversation> {
    let entry = Entry::deserialize(entry).ok()?;
    let title = entry.title.unwrap_or_default();
    let created_ms = entry.create_time.unwrap_or_default() * 1000.0;
    let name = entry.conversation_id.or(entry.id).unwrap_or_else(|| format!("{title} {created_ms}"));
    let id = id_from(&["chatgpt", &name]);
    let message_id = |node: &str| id_from(&["chatgpt", &name, node]);
    let mut messages: Vec<Message> = entry
        .mapping
        .iter()
        .filter_map(|(node, Node { message, parent })| {
            let message = message.as_ref()?;
            let (role, content) = message.said()?;
            Some(Message {
                id: message_id(node),
                conversation: id,
                parent: spoken(&entry.mapping, parent.as_deref()).map(message_id),
                role,
                content,
                created_ms: message.create_time.unwrap_or_default() * 1000.0,
                model: message.metadata["model_slug"].as_str().map(str::to_owned),
                ending: (role == Role::Assistant).then(complete),
                ..Message::default()
            })
        })
        .collect();
    messages.sort_by(|a, b| a.created_ms.total_cmp(&b.created_ms).then(a.id.cmp(&b.id)));
    let leaf: Option<Id> = spoken(&entry.mapping, entry.current_node.as_deref()).map(message_id);
    let updated_ms = entry.update_time.map_or(created_ms, |seconds| seconds * 1000.0);
    let summary =
        ConversationSummary { id, title, is_title_given: true, created_ms, updated_ms, leaf, ..Default::default() };
    Some(Conversation { summary, messages })
}

/// The node, or the nearest above it, in which something is said.
fn spoken<'a>(mapping: &'a HashMap<String, Node>, node: Option<&'a str>) -> Option<&'a str> {
    let mut node = node;
    // A tree is no deeper than it has nodes; a hostile one may go round in circles.
    for _ in 0..=mapping.len() {
        let name = node?;
        let found = mapping.get(name)?;
        if found.message.as_ref().is_some_and(|message| message.said().is_some()) {
            return Some(name);
        }
        node = found.parent.as_deref();
    }
    None
}

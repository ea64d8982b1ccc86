//! `conversations.json` of a `ChatGPT` export: a tree of nodes, some of which have no message of the user or the model.

use std::collections::HashMap;

use parlance_protocol::library::{Conversation, ConversationSummary, Message, Role};
use serde::Deserialize;
use serde_json::Value;

use super::fields::{complete, role};
use super::ids::derive_id;

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
    /// Role and text of a message of the user or the model; `None` for all other nodes.
    fn role_and_text(&self) -> Option<(Role, String)> {
        let role = role(&self.author.role)?;
        let parts = self.content["parts"].as_array()?;
        let texts: Vec<&str> = parts.iter().filter_map(Value::as_str).filter(|text| !text.trim().is_empty()).collect();
        (!texts.is_empty()).then(|| (role, texts.join("\n\n")))
    }
}

/// Converts an entry to a conversation; `None` if it has another format.
pub(super) fn parse(entry: &Value) -> Option<Conversation> {
    let entry = Entry::deserialize(entry).ok()?;
    let title = entry.title.unwrap_or_default();
    let created_ms = entry.create_time.unwrap_or_default() * 1000.0;
    let name = entry.conversation_id.or(entry.id).unwrap_or_else(|| format!("{title} {created_ms}"));
    let id = derive_id(&["chatgpt", &name]);
    let message_id = |node: &str| derive_id(&["chatgpt", &name, node]);
    let mut messages: Vec<Message> = entry
        .mapping
        .iter()
        .filter_map(|(node, Node { message, parent })| {
            let message = message.as_ref()?;
            let (role, content) = message.role_and_text()?;
            Some(Message {
                id: message_id(node),
                conversation: id,
                parent: nearest_message(&entry.mapping, parent.as_deref()).map(message_id),
                role,
                content,
                created_ms: message.create_time.unwrap_or_default() * 1000.0,
                model: message.metadata["model_slug"].as_str().map(str::to_owned),
                ending: (role == Role::Assistant).then(complete),
                ..Message::default()
            })
        })
        .collect();
    messages.sort_by(Message::chronological);
    let leaf = nearest_message(&entry.mapping, entry.current_node.as_deref()).map(message_id);
    let updated_ms = entry.update_time.map_or(created_ms, |seconds| seconds * 1000.0);
    let summary =
        ConversationSummary { id, title, is_title_given: true, created_ms, updated_ms, leaf, ..Default::default() };
    Some(Conversation { summary, messages })
}

/// The node itself, or its nearest ancestor, with a message of the user or the model.
fn nearest_message<'a>(mapping: &'a HashMap<String, Node>, node: Option<&'a str>) -> Option<&'a str> {
    let mut node = node;
    // A path cannot be longer than the number of nodes, unless the file is malicious and has a cycle.
    for _ in 0..=mapping.len() {
        let name = node?;
        let found = mapping.get(name)?;
        if found.message.as_ref().is_some_and(|message| message.role_and_text().is_some()) {
            return Some(name);
        }
        node = found.parent.as_deref();
    }
    None
}

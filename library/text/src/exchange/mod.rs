//! Conversations as files: written as JSON or Markdown, read from exports of this app, `ChatGPT` and Open WebUI.

mod chatgpt;
mod markdown;
mod open_webui;

pub use markdown::to_markdown;

use parlance_protocol::library::{Conversation, Id};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an export of this app calls itself.
const FORMAT: &str = "parlance-conversations";
/// The newest version that is understood.
const VERSION: u32 = 1;

/// Why a file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// It is not JSON.
    #[error("the file is not JSON ({0}); exports of Parlance, ChatGPT and Open WebUI are")]
    Json(#[from] serde_json::Error),
    /// It is JSON of another kind.
    #[error("the file holds no conversations of Parlance, ChatGPT or Open WebUI")]
    Unknown,
    /// It was written by a newer version of this app.
    #[error("the file was written by a newer version of Parlance (format {0}); reload the page to get it")]
    Newer(u32),
}

#[derive(Serialize, Deserialize)]
struct Export {
    format: String,
    version: u32,
    conversations: Vec<Conversation>,
}

/// Everything about conversations, to be read by [`from_text`].
///
/// # Errors
/// [`ExchangeError::Json`] if a number has no JSON form, which none of ours lacks.
pub fn to_json(conversations: Vec<Conversation>) -> Result<String, ExchangeError> {
    Ok(serde_json::to_string_pretty(&Export { format: FORMAT.to_owned(), version: VERSION, conversations })?)
}

/// The conversations of an exported file. Those that hold no message are left out.
///
/// # Errors
/// If the file is of no known kind.
pub fn from_text(text: &str) -> Result<Vec<Conversation>, ExchangeError> {
    let value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))?;
    let mut conversations = if value["format"] == FORMAT {
        let version = value["version"].as_u64().unwrap_or_default() as u32;
        if version > VERSION {
            return Err(ExchangeError::Newer(version));
        }
        serde_json::from_value::<Export>(value)?.conversations
    } else {
        // Both others export a list; a single conversation is one object.
        let entries = match value {
            Value::Array(entries) => entries,
            Value::Object(mut object) => match object.remove("conversations") {
                Some(Value::Array(entries)) => entries,
                _ => vec![Value::Object(object)],
            },
            _ => return Err(ExchangeError::Unknown),
        };
        let read = |entry| chatgpt::read(entry).or_else(|| open_webui::read(entry));
        let conversations: Vec<Conversation> = entries.iter().filter_map(read).collect();
        if conversations.is_empty() {
            return Err(ExchangeError::Unknown);
        }
        conversations
    };
    conversations.iter_mut().for_each(mend);
    conversations.retain(|conversation| !conversation.messages.is_empty());
    Ok(conversations)
}

/// Makes what another program wrote, or a person changed, consistent: messages belong to their conversation, and the branch on
/// screen ends at a message that is there.
fn mend(conversation: &mut Conversation) {
    let Conversation { summary, messages } = conversation;
    for message in messages.iter_mut() {
        message.conversation = summary.id;
    }
    let exists = summary.leaf.is_some_and(|leaf| messages.iter().any(|message| message.id == leaf));
    if !exists {
        summary.leaf = messages.last().map(|message| message.id);
    }
}

/// A name made from those of another program, the same each time, so that a second import finds what is here.
fn id_from(parts: &[&str]) -> Id {
    // FNV-1a.
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    Id(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use parlance_protocol::library::{ConversationSummary, Message, Role, path_to};

    fn texts(conversation: &Conversation) -> Vec<&str> {
        let path = path_to(&conversation.messages, conversation.summary.leaf);
        path.into_iter().map(|index| conversation.messages[index].content.as_str()).collect()
    }

    #[test]
    fn what_was_exported_can_be_imported() -> Result<(), ExchangeError> {
        let id = Id(7);
        let question = Message { id: Id(1), conversation: id, content: "Hi".to_owned(), ..Message::default() };
        let answer = Message { id: Id(2), parent: Some(Id(1)), role: Role::Assistant, ..question.clone() };
        let summary = ConversationSummary { id, title: "T".to_owned(), leaf: Some(Id(2)), ..Default::default() };
        let conversation = Conversation { summary, messages: vec![question, answer] };
        let text = to_json(vec![conversation.clone()])?;
        assert_eq!(from_text(&text)?, [conversation]);
        Ok(())
    }

    #[test]
    fn chatgpt_exports_keep_their_branches() -> Result<(), ExchangeError> {
        let text = r#"[{"title":"Capitals","create_time":1700000000.5,"update_time":1700000100,"conversation_id":"c1","current_node":"d","mapping":{
            "root":{"id":"root","message":null,"parent":null,"children":["s"]},
            "s":{"id":"s","message":{"author":{"role":"system"},"content":{"content_type":"text","parts":[""]}},"parent":"root","children":["a"]},
            "a":{"id":"a","message":{"author":{"role":"user"},"create_time":1700000001,"content":{"content_type":"text","parts":["Capital of France?"]}},"parent":"s","children":["b","d"]},
            "b":{"id":"b","message":{"author":{"role":"assistant"},"create_time":1700000002,"content":{"content_type":"text","parts":["Lyon"]}},"parent":"a","children":[]},
            "d":{"id":"d","message":{"author":{"role":"assistant"},"create_time":1700000003,"content":{"content_type":"text","parts":["Paris", {"content_type":"image_asset_pointer"}]},"metadata":{"model_slug":"gpt-4"}},"parent":"a","children":[]}
        }}]"#;
        let conversations = from_text(text)?;
        let conversation = &conversations[0];
        assert_eq!(texts(conversation), ["Capital of France?", "Paris"]);
        assert_eq!(conversation.messages.len(), 3);
        assert_eq!(conversation.summary.title, "Capitals");
        assert!((conversation.summary.updated_ms - 1_700_000_100_000.0).abs() < 1.0);
        assert_eq!(from_text(text)?, conversations, "names are the same each time");
        Ok(())
    }

    #[test]
    fn open_webui_exports_are_read() -> Result<(), ExchangeError> {
        let text = r#"[{"id":"x","title":"Greeting","updated_at":1700000100,"created_at":1700000000,"pinned":true,"chat":{"title":"Greeting","history":{"currentId":"2","messages":{
            "1":{"id":"1","parentId":null,"childrenIds":["2"],"role":"user","content":"Hello","timestamp":1700000001},
            "2":{"id":"2","parentId":"1","childrenIds":[],"role":"assistant","content":"Hi!","timestamp":1700000002,"model":"m"}
        }}}}]"#;
        let conversations = from_text(text)?;
        assert_eq!(texts(&conversations[0]), ["Hello", "Hi!"]);
        assert!(conversations[0].summary.is_pinned);
        assert_eq!(conversations[0].messages[1].model.as_deref(), Some("m"));
        Ok(())
    }

    #[test]
    fn other_files_are_refused_with_a_reason() {
        let cases = [
            ("hello", "not JSON"),
            ("[]", "no conversations"),
            ("{\"a\":1}", "no conversations"),
            ("3", "no conversations"),
            ("{\"format\":\"parlance-conversations\",\"version\":9,\"conversations\":[]}", "newer version"),
            ("{\"format\":\"parlance-conversations\",\"version\":1}", "missing field"),
        ];
        for (text, expected) in cases {
            let error = from_text(text).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn hostile_trees_do_no_harm() -> Result<(), ExchangeError> {
        let circle = r#"[{"title":"x","current_node":"a","mapping":{
            "a":{"message":{"author":{"role":"user"},"content":{"parts":["1"]}},"parent":"b"},
            "b":{"message":{"author":{"role":"user"},"content":{"parts":["2"]}},"parent":"a"},
            "c":{"message":null,"parent":"e"},"e":{"message":null,"parent":"c"},
            "f":{"message":{"author":{"role":"user"},"content":{"parts":["3"]}},"parent":"c"}}}]"#;
        let conversations = from_text(circle)?;
        assert!(texts(&conversations[0]).len() <= 3);
        Ok(())
    }
}

//! Conversations as files: written as JSON or Markdown, read from exports of this app, `ChatGPT` and Open WebUI.

mod chatgpt;
mod markdown;
mod names;
mod open_webui;

pub use markdown::to_markdown;
pub use names::rename_messages;

use parlance_protocol::library::{Conversation, Ending};
use parlance_protocol::openai::{FinishReason, Usage};
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
    let mut value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))?;
    let mut conversations = if value["format"] == FORMAT {
        let version = value["version"].as_u64().unwrap_or_default() as u32;
        if version > VERSION {
            return Err(ExchangeError::Newer(version));
        }
        complete_answers(&mut value)?;
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

/// Gives answers that were written by hand or by a script their ending. Of those that were cut off, an export of this app says so.
fn complete_answers(export: &mut Value) -> Result<(), ExchangeError> {
    let ending = serde_json::to_value(complete())?;
    let conversations = export.get_mut("conversations").and_then(Value::as_array_mut).into_iter().flatten();
    let messages = conversations.filter_map(|conversation| conversation.get_mut("messages")?.as_array_mut()).flatten();
    for message in messages.filter_map(Value::as_object_mut) {
        let is_answer = message.get("role").and_then(Value::as_str) == Some("assistant");
        if is_answer && !message.contains_key("ending") {
            message.insert("ending".to_owned(), ending.clone());
        }
    }
    Ok(())
}

/// The ending of an answer of which a file says nothing else: it is complete.
fn complete() -> Ending {
    Ending::Done { reason: FinishReason::Stop, usage: Usage::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parlance_protocol::library::{ConversationSummary, Id, Message, Role, path_to};

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
        // The answer has no ending, and keeps none: it was cut off.
        assert_eq!(from_text(&text)?, [conversation]);
        Ok(())
    }

    #[test]
    fn answers_without_an_ending_are_complete() -> Result<(), ExchangeError> {
        let own = r#"{"format":"parlance-conversations","version":1,"conversations":[{"summary":{"id":"1"},"messages":[
            {"id":"1","role":"user","content":"a"},{"id":"2","parent":"1","role":"assistant","content":"b"},
            {"id":"3","parent":"1","role":"assistant","content":"c","ending":null}]}]}"#;
        let endings = |text| -> Result<Vec<Option<Ending>>, ExchangeError> {
            Ok(from_text(text)?.remove(0).messages.into_iter().map(|message| message.ending).collect())
        };
        assert_eq!(endings(own)?, [None, Some(complete()), None]);
        let chatgpt = r#"[{"title":"x","current_node":"b","mapping":{
            "a":{"message":{"author":{"role":"user"},"create_time":1,"content":{"parts":["1"]}},"parent":null},
            "b":{"message":{"author":{"role":"assistant"},"create_time":2,"content":{"parts":["2"]}},"parent":"a"}}}]"#;
        assert_eq!(endings(chatgpt)?, [None, Some(complete())]);
        let open_webui = r#"[{"id":"x","title":"x","chat":{"history":{"currentId":"2","messages":{
            "1":{"parentId":null,"role":"user","content":"Hello","timestamp":1},
            "2":{"parentId":"1","role":"assistant","content":"Hi!","timestamp":2}}}}}]"#;
        assert_eq!(endings(open_webui)?, [None, Some(complete())]);
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

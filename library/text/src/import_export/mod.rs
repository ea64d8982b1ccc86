//! Conversations as files: export as JSON or Markdown, import from exports of this app, `ChatGPT` and Open WebUI.

mod chatgpt;
mod fields;
mod ids;
mod images;
mod markdown;
mod open_webui;

pub use ids::reassign_ids;
pub use images::{add_images, images_from_text, images_of, replace_image};
pub use markdown::to_markdown;

use fields::complete;
use parlance_protocol::library::Conversation;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The `format` field of this app's exports.
const FORMAT: &str = "parlance-conversations";
/// The current version of that format.
const VERSION: u32 = 1;

/// Why an import or export failed.
#[derive(Debug, thiserror::Error)]
pub enum ImportExportError {
    /// The file is not valid JSON.
    #[error("the file is not JSON ({0}); choose an export of Parlance, ChatGPT or Open WebUI")]
    Json(#[from] serde_json::Error),
    /// The file is JSON in an unknown format.
    #[error("the file has no conversations of Parlance, ChatGPT or Open WebUI")]
    UnknownFormat,
    /// The file was exported by a newer version of this app; has the version of its format.
    #[error("the file was exported by a newer version of Parlance (format {0}); reload the page to update")]
    NewerVersion(u32),
}

#[derive(Serialize, Deserialize)]
struct Export {
    format: String,
    version: u32,
    conversations: Vec<Conversation>,
}

/// Complete conversations as JSON, for [`from_text`].
///
/// # Errors
/// [`ImportExportError::Json`] if a number is not finite, which does not occur.
pub fn to_json(conversations: Vec<Conversation>) -> Result<String, ImportExportError> {
    Ok(serde_json::to_string_pretty(&Export { format: FORMAT.to_owned(), version: VERSION, conversations })?)
}

/// The conversations of an exported file, without empty ones.
///
/// # Errors
/// [`ImportExportError`] if the file's format is not supported.
pub fn from_text(text: &str) -> Result<Vec<Conversation>, ImportExportError> {
    let mut value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))?;
    let mut conversations = if value["format"] == FORMAT {
        let version = value["version"].as_u64().unwrap_or_default() as u32;
        if version > VERSION {
            return Err(ImportExportError::NewerVersion(version));
        }
        complete_answers(&mut value)?;
        serde_json::from_value::<Export>(value)?.conversations
    } else {
        // The other apps export a list, or an object for a single conversation.
        let entries = match value {
            Value::Array(entries) => entries,
            Value::Object(mut object) => match object.remove("conversations") {
                Some(Value::Array(entries)) => entries,
                _ => vec![Value::Object(object)],
            },
            _ => return Err(ImportExportError::UnknownFormat),
        };
        let parse = |entry| chatgpt::parse(entry).or_else(|| open_webui::parse(entry));
        let conversations: Vec<Conversation> = entries.iter().filter_map(parse).collect();
        if conversations.is_empty() {
            return Err(ImportExportError::UnknownFormat);
        }
        conversations
    };
    conversations.iter_mut().for_each(repair);
    conversations.retain(|conversation| !conversation.messages.is_empty());
    Ok(conversations)
}

/// Makes a conversation from another program, or one that was edited by hand, consistent: messages refer to their conversation, and
/// the visible branch ends at an existing message.
fn repair(conversation: &mut Conversation) {
    let Conversation { summary, messages } = conversation;
    for message in messages.iter_mut() {
        message.conversation = summary.id;
    }
    let exists = summary.leaf.is_some_and(|leaf| messages.iter().any(|message| message.id == leaf));
    if !exists {
        summary.leaf = messages.last().map(|message| message.id);
    }
}

/// Marks answers without an `ending` as complete, because they were written by hand or by a script. This app exports incomplete
/// answers with `"ending": null`.
fn complete_answers(export: &mut Value) -> Result<(), ImportExportError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use parlance_protocol::library::{ConversationSummary, Ending, Id, Message, Role};

    fn visible_texts(conversation: &Conversation) -> Vec<&str> {
        conversation.visible_branch().into_iter().map(|message| message.content.as_str()).collect()
    }

    #[test]
    fn exports_can_be_imported() -> Result<(), ImportExportError> {
        let id = Id(7);
        let question = Message { id: Id(1), conversation: id, content: "Hi".to_owned(), ..Message::default() };
        let answer = Message { id: Id(2), parent: Some(Id(1)), role: Role::Assistant, ..question.clone() };
        let summary = ConversationSummary { id, title: "T".to_owned(), leaf: Some(Id(2)), ..Default::default() };
        let conversation = Conversation { summary, messages: vec![question, answer] };
        let text = to_json(vec![conversation.clone()])?;
        // The answer is incomplete, and stays so.
        assert_eq!(from_text(&text)?, [conversation]);
        Ok(())
    }

    #[test]
    fn answers_without_an_ending_are_complete() -> Result<(), ImportExportError> {
        let own = r#"{"format":"parlance-conversations","version":1,"conversations":[{"summary":{"id":"1"},"messages":[
            {"id":"1","role":"user","content":"a"},{"id":"2","parent":"1","role":"assistant","content":"b"},
            {"id":"3","parent":"1","role":"assistant","content":"c","ending":null}]}]}"#;
        let endings = |text| -> Result<Vec<Option<Ending>>, ImportExportError> {
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
    fn chatgpt_exports_keep_their_branches() -> Result<(), ImportExportError> {
        let text = r#"[{"title":"Capitals","create_time":1700000000.5,"update_time":1700000100,"conversation_id":"c1","current_node":"d","mapping":{
            "root":{"id":"root","message":null,"parent":null,"children":["s"]},
            "s":{"id":"s","message":{"author":{"role":"system"},"content":{"content_type":"text","parts":[""]}},"parent":"root","children":["a"]},
            "a":{"id":"a","message":{"author":{"role":"user"},"create_time":1700000001,"content":{"content_type":"text","parts":["Capital of France?"]}},"parent":"s","children":["b","d"]},
            "b":{"id":"b","message":{"author":{"role":"assistant"},"create_time":1700000002,"content":{"content_type":"text","parts":["Lyon"]}},"parent":"a","children":[]},
            "d":{"id":"d","message":{"author":{"role":"assistant"},"create_time":1700000003,"content":{"content_type":"text","parts":["Paris", {"content_type":"image_asset_pointer"}]},"metadata":{"model_slug":"gpt-4"}},"parent":"a","children":[]}
        }}]"#;
        let conversations = from_text(text)?;
        let conversation = &conversations[0];
        assert_eq!(visible_texts(conversation), ["Capital of France?", "Paris"]);
        assert_eq!(conversation.messages.len(), 3);
        assert_eq!(conversation.summary.title, "Capitals");
        assert!((conversation.summary.updated_ms - 1_700_000_100_000.0).abs() < 1.0);
        assert_eq!(from_text(text)?, conversations, "ids are the same each time");
        Ok(())
    }

    #[test]
    fn open_webui_exports_are_read() -> Result<(), ImportExportError> {
        let text = r#"[{"id":"x","title":"Greeting","updated_at":1700000100,"created_at":1700000000,"pinned":true,"chat":{"title":"Greeting","history":{"currentId":"2","messages":{
            "1":{"id":"1","parentId":null,"childrenIds":["2"],"role":"user","content":"Hello","timestamp":1700000001},
            "2":{"id":"2","parentId":"1","childrenIds":[],"role":"assistant","content":"Hi!","timestamp":1700000002,"model":"m"}
        }}}}]"#;
        let conversations = from_text(text)?;
        assert_eq!(visible_texts(&conversations[0]), ["Hello", "Hi!"]);
        assert!(conversations[0].summary.is_pinned);
        assert_eq!(conversations[0].messages[1].model.as_deref(), Some("m"));
        Ok(())
    }

    #[test]
    fn other_files_are_rejected_with_a_reason() {
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
    fn cycles_in_trees_end() -> Result<(), ImportExportError> {
        let circle = r#"[{"title":"x","current_node":"a","mapping":{
            "a":{"message":{"author":{"role":"user"},"content":{"parts":["1"]}},"parent":"b"},
            "b":{"message":{"author":{"role":"user"},"content":{"parts":["2"]}},"parent":"a"},
            "c":{"message":null,"parent":"e"},"e":{"message":null,"parent":"c"},
            "f":{"message":{"author":{"role":"user"},"content":{"parts":["3"]}},"parent":"c"}}}]"#;
        let conversations = from_text(circle)?;
        assert!(visible_texts(&conversations[0]).len() <= 3);
        Ok(())
    }
}

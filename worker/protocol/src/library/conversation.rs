//! Conversations: trees of messages, of which one branch is on screen.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::Id;
use crate::Failure;
use crate::openai::{FinishReason, Usage};

/// Most characters of a title that is made from a message.
const TITLE_CHARS: usize = 60;

/// A conversation with all its messages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// What lists show of it.
    pub summary: ConversationSummary,
    /// All messages of all branches, in the order in which they were written.
    pub messages: Vec<Message>,
}

/// What lists show of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConversationSummary {
    /// Its name.
    pub id: Id,
    /// Its title.
    pub title: String,
    /// Whether the user gave the title, so that none is made up.
    pub is_title_given: bool,
    /// Milliseconds since 1970.
    pub created_ms: f64,
    /// Milliseconds since 1970 when something was said last.
    pub updated_ms: f64,
    /// Whether it stands above the others.
    pub is_pinned: bool,
    /// The folder that it lies in.
    pub folder: Option<String>,
    /// The last message of the branch on screen.
    pub leaf: Option<Id>,
    /// What the model is told first, if this conversation has its own.
    pub system_prompt: Option<String>,
    /// Text that was written and not sent.
    pub draft: String,
}

/// A message of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Message {
    /// Its name.
    pub id: Id,
    /// The conversation.
    pub conversation: Id,
    /// The message that it follows; none for the first.
    pub parent: Option<Id>,
    /// Who speaks.
    pub role: Role,
    /// What they say, in Markdown.
    pub content: String,
    /// What the model thought before.
    pub reasoning: String,
    /// Seconds that it thought.
    pub reasoning_s: Option<f64>,
    /// Milliseconds since 1970.
    pub created_ms: f64,
    /// The model that answered.
    pub model: Option<String>,
    /// How it ended; none of an answer that was cut off by the end of the page.
    pub ending: Option<Ending>,
    /// Files that the model is given with it.
    pub attachments: Vec<Attachment>,
    /// Passages of its files that the model is given in their place, where the files are too long.
    pub sources: Vec<Attachment>,
    /// Tools that the model used for its answer.
    pub tools: Vec<ToolUse>,
    /// Of an answer: the first message that the model was given, where the older ones did not fit the context.
    pub context_start: Option<Id>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The person.
    #[default]
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// The role's name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Ending {
    /// It is complete, or was cut off for the reason told.
    Done {
        /// Why it ended.
        reason: FinishReason,
        /// What it took.
        usage: Usage,
    },
    /// It failed; what came before stays.
    Failed {
        /// Why.
        failure: Failure,
    },
}

/// A text file that goes with a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The file's name.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A tool that was used for an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolUse {
    /// The tool.
    pub name: String,
    /// What it was given, as JSON.
    pub arguments: String,
    /// What came of it.
    pub result: String,
}

/// The messages from the first to `leaf`, as indices into `messages`. Ends at a message that is not there, and does not go
/// round in circles, whatever an imported file says.
pub fn path_to(messages: &[Message], leaf: Option<Id>) -> Vec<usize> {
    let places: HashMap<Id, usize> = messages.iter().enumerate().map(|(index, message)| (message.id, index)).collect();
    let mut path = Vec::new();
    let mut next = leaf;
    while let Some(&index) = next.and_then(|id| places.get(&id)) {
        if path.len() == messages.len() {
            break;
        }
        path.push(index);
        next = messages[index].parent;
    }
    path.reverse();
    path
}

/// A title made from what was said first: its first line, cut at a word.
pub fn title_from(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line = line.trim_start_matches(['#', '>', '-', '*', ' ']);
    if line.chars().count() <= TITLE_CHARS {
        return line.to_owned();
    }
    let cut: String = line.chars().take(TITLE_CHARS).collect();
    // Languages without spaces have no word to cut at.
    let cut =
        cut.rsplit_once(' ').filter(|(head, _)| head.len() > cut.len() / 2).map_or(cut.as_str(), |(head, _)| head);
    format!("{cut}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: u64, parent: Option<u64>) -> Message {
        Message { id: Id(id), parent: parent.map(Id), ..Message::default() }
    }

    #[test]
    fn a_path_leads_from_the_first_message_to_the_leaf() {
        let messages = [message(1, None), message(2, Some(1)), message(3, Some(1)), message(4, Some(3))];
        assert_eq!(path_to(&messages, Some(Id(4))), [0, 2, 3]);
        assert_eq!(path_to(&messages, Some(Id(2))), [0, 1]);
        assert!(path_to(&messages, None).is_empty() && path_to(&messages, Some(Id(9))).is_empty());
        let circle = [message(1, Some(2)), message(2, Some(1))];
        assert_eq!(path_to(&circle, Some(Id(1))).len(), 2);
    }

    #[test]
    fn titles_are_cut_at_words() {
        assert_eq!(title_from("\n# Hello *there*\nmore"), "Hello *there*");
        let long = "Explain why the sky is blue and why sunsets are red, in two short sentences";
        assert_eq!(title_from(long), "Explain why the sky is blue and why sunsets are red, in two…");
        assert_eq!(title_from(&"長".repeat(80)).chars().count(), 61);
        assert_eq!(title_from("  \n "), "");
    }

    #[test]
    fn names_are_hexadecimal_texts() -> serde_json::Result<()> {
        assert_eq!(serde_json::to_string(&Id(255))?, "\"00000000000000ff\"");
        assert_eq!(serde_json::from_str::<Id>("\"ffffffffffffffff\"")?, Id(u64::MAX));
        assert!(serde_json::from_str::<Id>("\"x\"").is_err());
        Ok(())
    }
}

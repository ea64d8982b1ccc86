//! Conversations: trees of messages, one branch of which is visible.

use std::cmp::Ordering;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Id, Sampling};
use crate::Failure;
use crate::openai::{FinishReason, Usage};

/// Maximum characters of a title derived from a message.
const TITLE_CHARS: usize = 60;

/// A conversation with all its messages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// Everything but the messages.
    pub summary: ConversationSummary,
    /// The messages of all branches, in chronological order.
    pub messages: Vec<Message>,
}

impl Conversation {
    /// The messages of the visible branch, from the first to the leaf. If a parent is missing, the branch starts after it. A cycle,
    /// which a malicious import may have, is cut off.
    pub fn visible_branch(&self) -> Vec<&Message> {
        let by_id: HashMap<Id, &Message> = self.messages.iter().map(|message| (message.id, message)).collect();
        let mut branch = Vec::new();
        let mut next = self.summary.leaf;
        while let Some(&message) = next.and_then(|id| by_id.get(&id)) {
            if branch.len() == self.messages.len() {
                break;
            }
            branch.push(message);
            next = message.parent;
        }
        branch.reverse();
        branch
    }
}

/// A conversation without its messages, for lists.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConversationSummary {
    /// Its id.
    pub id: Id,
    /// Its title.
    pub title: String,
    /// Whether the user chose the title, so that none is generated.
    pub is_title_given: bool,
    /// Time of creation, in milliseconds since 1970.
    pub created_ms: f64,
    /// Time of the last message, in milliseconds since 1970.
    pub updated_ms: f64,
    /// Whether it is pinned to the top of the list.
    pub is_pinned: bool,
    /// Its folder.
    pub folder: Option<String>,
    /// The last message of the visible branch.
    pub leaf: Option<Id>,
    /// The system prompt, if the conversation has its own.
    pub system_prompt: Option<String>,
    /// An unsent message.
    pub draft: String,
    /// The model that answers, if the user chose one for this conversation.
    pub model: Option<ChatModel>,
    /// How tokens are chosen, if not by the settings.
    pub sampling: Option<Sampling>,
    /// A summary that is sent in place of the oldest messages.
    pub digest: Option<Digest>,
}

/// A model that the user chose.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChatModel {
    /// Its name, for people.
    pub name: String,
    /// Its URL.
    pub url: String,
    /// The URL of its projector; empty for none. If absent, it is looked for beside the model.
    pub projector: Option<String>,
}

/// A summary of a conversation's beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Digest {
    /// The summary.
    pub text: String,
    /// The last message that it covers.
    pub last: Id,
}

/// A message of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Message {
    /// Its id.
    pub id: Id,
    /// The conversation it belongs to.
    pub conversation: Id,
    /// The message before it; `None` for the first.
    pub parent: Option<Id>,
    /// Who wrote it.
    pub role: Role,
    /// Its text, in Markdown.
    pub content: String,
    /// The model's reasoning before an answer.
    pub reasoning: String,
    /// How long the model reasoned, in seconds.
    pub reasoning_s: Option<f64>,
    /// Time of creation, in milliseconds since 1970.
    pub created_ms: f64,
    /// The model that generated it.
    pub model: Option<String>,
    /// How an answer ended; `None` if it was interrupted because the page was closed.
    pub ending: Option<Ending>,
    /// Attached files, which are sent to the model with it.
    pub attachments: Vec<Attachment>,
    /// Attached images, which are sent to models that see.
    pub images: Vec<Image>,
    /// Passages of the attached files that are sent to the model instead of the files, if those are too long.
    pub sources: Vec<Attachment>,
    /// The tool calls that the model made for an answer.
    pub tools: Vec<ToolUse>,
    /// The first message that was sent to the model for an answer, if older ones did not fit the context.
    pub context_start: Option<Id>,
}

impl Message {
    /// Orders messages by their time of creation. For `sort_by`.
    pub fn chronological(&self, other: &Self) -> Ordering {
        self.created_ms.total_cmp(&other.created_ms).then(self.id.cmp(&other.id))
    }
}

/// Who wrote a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The user.
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
    /// The model ended it, or it was cut off for this reason.
    Done {
        /// Why it ended.
        reason: FinishReason,
        /// Token counts and speeds.
        usage: Usage,
    },
    /// It failed; the message has the text generated before.
    Failed {
        /// What went wrong.
        failure: Failure,
    },
}

/// A text file that is attached to a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The file's name.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// An image that is attached to a message. Its file is stored apart from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Image {
    /// The name of its file: the SHA-256 of its bytes, in lower-case hexadecimal digits.
    pub digest: String,
    /// What it shows, for those who cannot see it; at first the name of the file that it came from.
    pub alt: String,
    /// Its MIME type.
    pub kind: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// A tool call that was made for an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolUse {
    /// The tool's name.
    pub name: String,
    /// Its arguments, as JSON.
    pub arguments: String,
    /// Its result.
    pub result: String,
}

/// A title derived from a message: its first line, shortened at a word boundary.
pub fn title_from(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line = line.trim_start_matches(['#', '>', '-', '*', ' ']);
    if line.chars().count() <= TITLE_CHARS {
        return line.to_owned();
    }
    let cut: String = line.chars().take(TITLE_CHARS).collect();
    // Some scripts have no spaces.
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
    fn the_visible_branch_leads_to_the_leaf() {
        let branch = |messages: &[Message], leaf: Option<u64>| -> Vec<u64> {
            let summary = ConversationSummary { leaf: leaf.map(Id), ..ConversationSummary::default() };
            let conversation = Conversation { summary, messages: messages.to_vec() };
            conversation.visible_branch().into_iter().map(|message| message.id.0).collect()
        };
        let messages = [message(1, None), message(2, Some(1)), message(3, Some(1)), message(4, Some(3))];
        assert_eq!(branch(&messages, Some(4)), [1, 3, 4]);
        assert_eq!(branch(&messages, Some(2)), [1, 2]);
        assert!(branch(&messages, None).is_empty() && branch(&messages, Some(9)).is_empty());
        let cycle = [message(1, Some(2)), message(2, Some(1))];
        assert_eq!(branch(&cycle, Some(1)).len(), 2);
    }

    #[test]
    fn titles_are_shortened_at_word_boundaries() {
        assert_eq!(title_from("\n# Hello *there*\nmore"), "Hello *there*");
        let long = "Explain why the sky is blue and why sunsets are red, in two short sentences";
        assert_eq!(title_from(long), "Explain why the sky is blue and why sunsets are red, in two…");
        assert_eq!(title_from(&"長".repeat(80)).chars().count(), 61);
        assert_eq!(title_from("  \n "), "");
    }

    #[test]
    fn ids_are_hexadecimal_strings() -> serde_json::Result<()> {
        assert_eq!(serde_json::to_string(&Id(255))?, "\"00000000000000ff\"");
        assert_eq!(serde_json::from_str::<Id>("\"ffffffffffffffff\"")?, Id(u64::MAX));
        assert!(serde_json::from_str::<Id>("\"x\"").is_err());
        Ok(())
    }
}

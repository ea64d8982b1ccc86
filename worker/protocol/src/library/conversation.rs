//! Conversations: trees of messages, one branch of which is visible.

use std::cmp::Ordering;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Id, Sampling};
use crate::Failure;
use crate::documents::{Document, Place, Section};
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
    /// Its tags, without `#`.
    pub tags: Vec<String>,
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
    /// The project that it belongs to.
    pub project: Option<Id>,
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
    /// The URL of the model that drafts its answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draft: Option<String>,
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

/// A text or a document that is attached to a message, or a passage of one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The file's name.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Where the parts of a document begin in the text. A passage has the one that it is in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sections: Vec<SectionStart>,
    /// The file of the project that a passage is of, if it is not of an attached one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Id>,
}

/// Where a part of a document begins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SectionStart {
    /// What part it is.
    pub place: Place,
    /// Its first byte in the text.
    pub at: usize,
}

impl Attachment {
    /// A text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), ..Self::default() }
    }

    /// The text of a document. The parts of one that has only one are not told apart.
    pub fn of_document(name: impl Into<String>, document: Document) -> Self {
        let mut attachment = Self::new(name, "");
        let has_parts = document.sections.len() > 1 || document.sections.iter().any(|part| part.place.number > 1);
        for Section { place, text } in document.sections {
            if !attachment.text.is_empty() {
                attachment.text.push_str("\n\n");
            }
            if has_parts {
                attachment.sections.push(SectionStart { place, at: attachment.text.len() });
            }
            attachment.text.push_str(text.trim());
        }
        attachment
    }

    /// A passage of it.
    #[must_use]
    pub fn passage(&self, place: Option<&Place>, text: String) -> Self {
        let sections = place.map(|place| SectionStart { place: place.clone(), at: 0 }).into_iter().collect();
        Self { name: self.name.clone(), text, sections, file: self.file }
    }

    /// Its parts in order, with their places if it has any. Stored places that do not fit the text are left out.
    pub fn parts(&self) -> Vec<(Option<&Place>, &str)> {
        let mut parts = Vec::with_capacity(self.sections.len().max(1));
        let mut place = None;
        let mut rest = self.text.as_str();
        let mut start = 0;
        for section in &self.sections {
            let Some((before, after)) = section.at.checked_sub(start).and_then(|at| rest.split_at_checked(at)) else {
                continue;
            };
            if !before.trim().is_empty() {
                parts.push((place, before.trim()));
            }
            (place, rest, start) = (Some(&section.place), after, section.at);
        }
        if !rest.trim().is_empty() {
            parts.push((place, rest.trim()));
        }
        parts
    }

    /// The name of a passage with its place for a model, such as `report.pdf, page 3`.
    pub fn label(&self) -> String {
        match self.sections.as_slice() {
            [SectionStart { place, .. }] => format!("{}, {}", self.name, place.describe()),
            _ => self.name.clone(),
        }
    }
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
    use crate::documents::SectionKind;

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
    fn documents_keep_their_parts() -> serde_json::Result<()> {
        let section = |number, text: &str| Section {
            place: Place { kind: SectionKind::Page, number, name: String::new() },
            text: text.to_owned(),
        };
        let document = Document { sections: vec![section(1, "Größe\n"), section(3, "Two")], ..Document::default() };
        let file = Attachment::of_document("a.pdf", document);
        assert_eq!(file.text, "Größe\n\nTwo");
        let parts = |file: &Attachment| -> Vec<(Option<u32>, String)> {
            file.parts().into_iter().map(|(place, text)| (place.map(|place| place.number), text.to_owned())).collect()
        };
        assert_eq!(parts(&file), [(Some(1), "Größe".to_owned()), (Some(3), "Two".to_owned())]);
        let passage = file.passage(file.parts()[1].0, "Two".to_owned());
        assert_eq!((passage.label(), file.label()), ("a.pdf, page 3".to_owned(), "a.pdf".to_owned()));
        // Of older versions, and with places that are nowhere.
        let old: Attachment = serde_json::from_str(r#"{"name":"a.txt","text":"Text"}"#)?;
        assert_eq!(parts(&old), [(None, "Text".to_owned())]);
        assert_eq!(serde_json::to_string(&old)?, r#"{"name":"a.txt","text":"Text"}"#);
        let mut damaged = file;
        damaged.sections[0].at = 3;
        damaged.sections[1].at = usize::MAX;
        assert_eq!(parts(&damaged), [(None, "Größe\n\nTwo".to_owned())]);
        Ok(())
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

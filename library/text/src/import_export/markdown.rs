//! Export as Markdown.

use std::fmt::Write as _;

use parlance_protocol::library::{Conversation, Role};

/// The visible branch of each conversation, with a heading for each conversation and each message.
pub fn to_markdown(conversations: &[Conversation]) -> String {
    let mut text = String::new();
    for conversation in conversations {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# {}\n", conversation.summary.title);
        for message in conversation.visible_branch() {
            let speaker = match message.role {
                Role::User => "You",
                Role::Assistant => message.model.as_deref().unwrap_or("Parlance"),
            };
            let _ = writeln!(text, "## {speaker}\n\n{}\n", message.content.trim());
            for attachment in &message.attachments {
                let _ = writeln!(text, "Attached: {}\n", attachment.name);
            }
            for image in &message.images {
                let _ = writeln!(text, "Image: {}\n", image.alt);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use parlance_protocol::library::{ConversationSummary, Id, Message};

    #[test]
    fn only_the_visible_branch_is_exported() {
        let message = |id, parent, role, content: &str| Message {
            id: Id(id),
            parent,
            role,
            content: content.to_owned(),
            ..Message::default()
        };
        let messages = vec![
            message(1, None, Role::User, "Hi"),
            message(2, Some(Id(1)), Role::Assistant, "Old"),
            message(3, Some(Id(1)), Role::Assistant, "New"),
        ];
        let summary = ConversationSummary { title: "Greeting".to_owned(), leaf: Some(Id(3)), ..Default::default() };
        let text = to_markdown(&[Conversation { summary, messages }]);
        assert_eq!(text, "# Greeting\n\n## You\n\nHi\n\n## Parlance\n\nNew\n\n");
    }
}

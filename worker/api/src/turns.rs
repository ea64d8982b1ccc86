//! Turns of a conversation. The oldest are dropped if the context is full.

use parlance_protocol::openai::RequestMessage;

/// The indices at which turns start. A turn is a user message with everything that follows it: the answer, tool calls and their results.
/// Messages before the first user message form a turn, too. System messages do not belong to a turn.
pub(crate) fn starts(messages: &[RequestMessage]) -> Vec<usize> {
    let mut starts = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        if message.role == "user" || starts.is_empty() && !is_system(message) {
            starts.push(index);
        }
    }
    starts
}

/// The messages from the turn at `start` on, and all system messages.
pub(crate) fn messages_from(messages: &[RequestMessage], start: usize) -> Vec<RequestMessage> {
    let kept = messages.iter().enumerate().filter(|(index, message)| *index >= start || is_system(message));
    kept.map(|(_, message)| message.clone()).collect()
}

fn is_system(message: &RequestMessage) -> bool {
    matches!(message.role.as_str(), "system" | "developer")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(roles: &str) -> Vec<RequestMessage> {
        roles.split(' ').enumerate().map(|(index, role)| RequestMessage::new(role, index.to_string())).collect()
    }

    fn kept(roles: &str, start: usize) -> String {
        let kept = messages_from(&messages(roles), start);
        kept.iter().filter_map(|message| message.content.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_turn_is_a_user_message_with_everything_that_follows() {
        let roles = "system user assistant tool assistant user assistant user";
        assert_eq!(starts(&messages(roles)), [1, 5, 7]);
        assert_eq!(kept(roles, 1), "0 1 2 3 4 5 6 7");
        assert_eq!(kept(roles, 5), "0 5 6 7");
        assert_eq!(kept(roles, 7), "0 7");
        assert_eq!(starts(&messages("assistant user user")), [0, 1, 2]);
        assert_eq!(kept("user developer assistant user", 3), "1 3");
        assert_eq!(starts(&messages("system")), Vec::<usize>::new());
    }
}

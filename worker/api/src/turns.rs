//! The turns of a conversation, of which the oldest are left out where not all of them fit the context.

use parlance_protocol::openai::RequestMessage;

/// Where turns begin. Each begins with a question and holds what follows it: the answer, calls and their results. What comes before the
/// first question is a turn, too. Instructions belong to no turn.
pub(crate) fn starts(messages: &[RequestMessage]) -> Vec<usize> {
    let mut starts = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        if message.role == "user" || starts.is_empty() && !is_instruction(message) {
            starts.push(index);
        }
    }
    starts
}

/// The messages from the turn that begins at `start` on, and all instructions.
pub(crate) fn since(messages: &[RequestMessage], start: usize) -> Vec<RequestMessage> {
    let kept = messages.iter().enumerate().filter(|(index, message)| *index >= start || is_instruction(message));
    kept.map(|(_, message)| message.clone()).collect()
}

fn is_instruction(message: &RequestMessage) -> bool {
    matches!(message.role.as_str(), "system" | "developer")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(roles: &str) -> Vec<RequestMessage> {
        roles.split(' ').enumerate().map(|(index, role)| RequestMessage::new(role, index.to_string())).collect()
    }

    fn kept(roles: &str, start: usize) -> String {
        let kept = since(&messages(roles), start);
        kept.iter().filter_map(|message| message.content.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_turn_is_a_question_with_all_that_follows_it() {
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

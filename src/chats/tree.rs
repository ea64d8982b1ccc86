//! The tree formed by a conversation's messages.

use crate::conversation::{ChatMessage, MessageId};

/// The messages from the root to `leaf`.
pub(crate) fn branch(messages: &[ChatMessage], leaf: Option<MessageId>) -> Vec<MessageId> {
    let mut branch = Vec::new();
    let mut next = leaf;
    while let Some(message) = next.and_then(|id| messages.iter().find(|message| message.id == id)) {
        // Stop at a cycle.
        if branch.len() == messages.len() {
            break;
        }
        branch.push(message.id);
        next = message.parent;
    }
    branch.reverse();
    branch
}

/// All messages with the same parent as `id`, including `id`, oldest first.
pub(crate) fn siblings(messages: &[ChatMessage], id: MessageId) -> Vec<MessageId> {
    let Some(message) = messages.iter().find(|message| message.id == id) else { return Vec::new() };
    messages.iter().filter(|other| other.parent == message.parent).map(|other| other.id).collect()
}

/// The leaf of the newest branch through `id`.
pub(crate) fn newest_leaf(messages: &[ChatMessage], id: MessageId) -> MessageId {
    let mut leaf = id;
    for _ in 0..messages.len() {
        match messages.iter().rev().find(|message| message.parent == Some(leaf)) {
            Some(child) => leaf = child.id,
            None => break,
        }
    }
    leaf
}

/// `id` and all its descendants.
pub(crate) fn subtree(messages: &[ChatMessage], id: MessageId) -> Vec<MessageId> {
    let mut found = vec![id];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        let children = messages.iter().filter(|message| message.parent == Some(parent)).map(|message| message.id);
        let new: Vec<MessageId> = children.filter(|child| !found.contains(child)).collect();
        found.extend(new);
        next += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use parlance_protocol::library::{Id, Message};
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;
    use crate::conversation::AnswerState;

    /// 1 → 2 → 4, 1 → 3 → 5 → 6, and 7 as a second root.
    fn messages() -> Vec<ChatMessage> {
        [(1, None), (2, Some(1)), (3, Some(1)), (4, Some(2)), (5, Some(3)), (6, Some(5)), (7, None)]
            .map(|(id, parent)| {
                let record = Message { id: Id(id), parent: parent.map(Id), ..Message::default() };
                ChatMessage::from_record(record, AnswerState::Incomplete)
            })
            .to_vec()
    }

    fn ids(ids: &[MessageId]) -> Vec<u64> {
        ids.iter().map(|id| id.0).collect()
    }

    #[wasm_bindgen_test]
    fn branches_are_followed_and_changed() {
        let messages = messages();
        assert_eq!(ids(&branch(&messages, Some(Id(6)))), [1, 3, 5, 6]);
        assert_eq!(ids(&branch(&messages, Some(Id(9)))), Vec::<u64>::new());
        assert_eq!(ids(&siblings(&messages, Id(2))), [2, 3]);
        assert_eq!(ids(&siblings(&messages, Id(1))), [1, 7]);
        assert_eq!(newest_leaf(&messages, Id(1)).0, 6);
        assert_eq!(newest_leaf(&messages, Id(2)).0, 4);
        assert_eq!(ids(&subtree(&messages, Id(3))), [3, 5, 6]);
    }
}

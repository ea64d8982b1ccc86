//! Names of messages that are imported: none may be that of a message of another conversation, which would be overwritten.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;

use parlance_protocol::library::{Conversation, Id};

/// A name made from other names, the same each time, so that a second import finds what is here.
pub(super) fn id_from(parts: &[&str]) -> Id {
    // FNV-1a.
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    Id(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
}

/// Gives new names to messages whose names are `taken` by other conversations, or which share one, wherever they are referred to.
/// Of messages that share a name, the first is the one that others refer to.
pub fn rename_messages(conversation: &mut Conversation, taken: &HashSet<Id, impl BuildHasher>) {
    let Conversation { summary, messages } = conversation;
    let mut used: HashSet<Id> = messages.iter().map(|message| message.id).chain(taken.iter().copied()).collect();
    let mut seen = HashSet::new();
    let mut renamed: HashMap<Id, Id> = HashMap::new();
    for message in messages.iter_mut() {
        let old = message.id;
        let is_first = seen.insert(old);
        if is_first && !taken.contains(&old) {
            continue;
        }
        message.id = free_id(summary.id, old, &used);
        used.insert(message.id);
        if is_first {
            renamed.insert(old, message.id);
        }
    }
    let refer = |id: &mut Option<Id>| *id = id.map(|id| renamed.get(&id).copied().unwrap_or(id));
    for message in messages.iter_mut() {
        refer(&mut message.parent);
        refer(&mut message.context_start);
    }
    refer(&mut summary.leaf);
}

/// A name that is not in use.
fn free_id(conversation: Id, old: Id, used: &HashSet<Id>) -> Id {
    let (conversation, mut id) = (conversation.to_string(), old);
    while used.contains(&id) {
        id = id_from(&["renamed", &conversation, &id.to_string()]);
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use parlance_protocol::library::{ConversationSummary, Message, path_to};

    fn message(id: u64, parent: Option<u64>, content: &str) -> Message {
        Message { id: Id(id), parent: parent.map(Id), content: content.to_owned(), ..Message::default() }
    }

    fn conversation(messages: Vec<Message>, leaf: u64) -> Conversation {
        Conversation {
            summary: ConversationSummary { id: Id(9), leaf: Some(Id(leaf)), ..Default::default() },
            messages,
        }
    }

    /// What is said from the first message to the leaf.
    fn said(Conversation { summary, messages }: &Conversation) -> Vec<&str> {
        path_to(messages, summary.leaf).into_iter().map(|index| messages[index].content.as_str()).collect()
    }

    #[test]
    fn names_that_are_taken_are_replaced_wherever_they_stand() {
        let mut last = message(3, Some(2), "c");
        last.context_start = Some(Id(2));
        let original = conversation(vec![message(1, None, "a"), message(2, Some(1), "b"), last], 3);
        let taken = HashSet::from([Id(1), Id(2), Id(7)]);
        let mut renamed = original.clone();
        rename_messages(&mut renamed, &taken);
        assert!(renamed.messages.iter().all(|message| !taken.contains(&message.id)), "{renamed:?}");
        assert_eq!(said(&renamed), ["a", "b", "c"]);
        assert_eq!(renamed.messages[2].context_start, Some(renamed.messages[1].id));
        assert_eq!(renamed.messages[2].id, Id(3));
        // The same each time, and other names if those are taken, too.
        let mut again = original.clone();
        rename_messages(&mut again, &taken);
        assert_eq!(again, renamed);
        let taken: HashSet<Id> = taken.into_iter().chain(renamed.messages.iter().map(|message| message.id)).collect();
        rename_messages(&mut again, &taken);
        assert!(again.messages.iter().all(|message| !taken.contains(&message.id)));
        assert_eq!(said(&again), ["a", "b", "c"]);
        // What is free stays as it is.
        let mut same = original.clone();
        rename_messages(&mut same, &HashSet::from([Id(8)]));
        assert_eq!(same, original);
    }

    #[test]
    fn messages_that_share_a_name_are_told_apart() {
        let mut twice = conversation(vec![message(1, None, "a"), message(1, None, "b"), message(2, Some(1), "c")], 2);
        rename_messages(&mut twice, &HashSet::new());
        let ids: HashSet<Id> = twice.messages.iter().map(|message| message.id).collect();
        assert_eq!(ids.len(), 3);
        assert_eq!(said(&twice), ["a", "c"]);
    }
}

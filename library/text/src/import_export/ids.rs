//! Ids of imported messages. They must differ from those of existing messages, which would be overwritten otherwise.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;

use parlance_protocol::library::{Conversation, Id};

/// An id derived from another app's ids. It is the same each time, so a second import of a file finds the first.
pub(super) fn derive_id(parts: &[&str]) -> Id {
    // FNV-1a.
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    Id(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
}

/// Gives new ids to messages whose id is `taken` by another conversation or is not unique, and updates all references to them.
/// Among messages with the same id, references are to the first.
pub fn reassign_ids(conversation: &mut Conversation, taken: &HashSet<Id, impl BuildHasher>) {
    let Conversation { summary, messages } = conversation;
    let mut used: HashSet<Id> = messages.iter().map(|message| message.id).chain(taken.iter().copied()).collect();
    let mut seen = HashSet::new();
    let mut replaced: HashMap<Id, Id> = HashMap::new();
    for message in messages.iter_mut() {
        let old = message.id;
        let is_first = seen.insert(old);
        if is_first && !taken.contains(&old) {
            continue;
        }
        message.id = free_id(summary.id, old, &used);
        used.insert(message.id);
        if is_first {
            replaced.insert(old, message.id);
        }
    }
    let update = |id: &mut Option<Id>| *id = id.map(|id| replaced.get(&id).copied().unwrap_or(id));
    for message in messages.iter_mut() {
        update(&mut message.parent);
        update(&mut message.context_start);
    }
    update(&mut summary.leaf);
    if let Some(digest) = &mut summary.digest {
        digest.last = replaced.get(&digest.last).copied().unwrap_or(digest.last);
    }
}

/// An id that is not in use.
fn free_id(conversation: Id, old: Id, used: &HashSet<Id>) -> Id {
    let (conversation, mut id) = (conversation.to_string(), old);
    while used.contains(&id) {
        id = derive_id(&["renamed", &conversation, &id.to_string()]);
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use parlance_protocol::library::{ConversationSummary, Digest, Message};

    fn message(id: u64, parent: Option<u64>, content: &str) -> Message {
        Message { id: Id(id), parent: parent.map(Id), content: content.to_owned(), ..Message::default() }
    }

    fn conversation(messages: Vec<Message>, leaf: u64) -> Conversation {
        Conversation {
            summary: ConversationSummary { id: Id(9), leaf: Some(Id(leaf)), ..Default::default() },
            messages,
        }
    }

    fn visible_texts(conversation: &Conversation) -> Vec<&str> {
        conversation.visible_branch().into_iter().map(|message| message.content.as_str()).collect()
    }

    #[test]
    fn taken_ids_are_replaced_in_messages_and_references() {
        let mut last = message(3, Some(2), "c");
        last.context_start = Some(Id(2));
        let mut original = conversation(vec![message(1, None, "a"), message(2, Some(1), "b"), last], 3);
        original.summary.digest = Some(Digest { text: "a, b".to_owned(), last: Id(2) });
        let taken = HashSet::from([Id(1), Id(2), Id(7)]);
        let mut changed = original.clone();
        reassign_ids(&mut changed, &taken);
        assert!(changed.messages.iter().all(|message| !taken.contains(&message.id)), "{changed:?}");
        assert_eq!(visible_texts(&changed), ["a", "b", "c"]);
        assert_eq!(changed.messages[2].context_start, Some(changed.messages[1].id));
        assert_eq!(changed.messages[2].id, Id(3));
        assert_eq!(changed.summary.digest.as_ref().map(|digest| digest.last), Some(changed.messages[1].id));
        // The new ids are the same each time, unless they are taken, too.
        let mut again = original.clone();
        reassign_ids(&mut again, &taken);
        assert_eq!(again, changed);
        let taken: HashSet<Id> = taken.into_iter().chain(changed.messages.iter().map(|message| message.id)).collect();
        reassign_ids(&mut again, &taken);
        assert!(again.messages.iter().all(|message| !taken.contains(&message.id)));
        assert_eq!(visible_texts(&again), ["a", "b", "c"]);
        // Ids that are not taken are kept.
        let mut same = original.clone();
        reassign_ids(&mut same, &HashSet::from([Id(8)]));
        assert_eq!(same, original);
    }

    #[test]
    fn duplicate_ids_are_made_unique() {
        let mut twice = conversation(vec![message(1, None, "a"), message(1, None, "b"), message(2, Some(1), "c")], 2);
        reassign_ids(&mut twice, &HashSet::new());
        let ids: HashSet<Id> = twice.messages.iter().map(|message| message.id).collect();
        assert_eq!(ids.len(), 3);
        assert_eq!(visible_texts(&twice), ["a", "c"]);
    }
}

//! Checks of one input, shared by the fuzz targets and the corpus test. A panic or a wrong result is a failure; an error is not.

use std::collections::HashSet;

use parlance_protocol::library::{Conversation, Id};
use parlance_text::import_export::{from_text, reassign_ids, to_json, to_markdown};
use parlance_text::markdown::{to_html, to_html_in_pieces};

/// Maximum bytes of HTML for each byte of a text: highlighting and formulas put elements around single characters.
const MAX_GROWTH: usize = 512;
/// Maximum bytes of HTML for any text: missing table cells are filled in, up to a quarter of a million.
const MAX_BASE_BYTES: usize = 8 << 20;

/// Renders a text as a whole and in up to eight pieces; the first byte of the input determines how many.
pub(crate) fn render(data: &[u8]) {
    let Some((pieces, text)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    let whole = to_html(&text);
    let html_bytes: usize = whole.iter().map(String::len).sum();
    assert!(html_bytes <= MAX_BASE_BYTES + MAX_GROWTH * text.len(), "{html_bytes} bytes of HTML");

    let piece_chars = text.chars().count() / usize::from(pieces % 8 + 1) + 1;
    assert_eq!(to_html_in_pieces(&text, piece_chars), whole, "in pieces of {piece_chars} the HTML differs");
}

/// Imports a file into a library where all of its messages' ids are taken, and exports it again.
pub(crate) fn import(data: &[u8]) {
    let Ok(mut conversations) = from_text(&String::from_utf8_lossy(data)) else { return };
    for conversation in &mut conversations {
        assert!(!conversation.messages.is_empty(), "a conversation without messages");
        check(conversation);
        let taken = ids(conversation);
        reassign_ids(conversation, &taken);
        check(conversation);
        let ids = ids(conversation);
        assert_eq!(ids.len(), conversation.messages.len(), "two messages have the same id");
        assert!(ids.is_disjoint(&taken), "an id is taken by another conversation");
    }
    let _ = to_markdown(&conversations);
    let count = |conversations: &[Conversation]| -> Vec<usize> {
        conversations.iter().map(|conversation| conversation.messages.len()).collect()
    };
    let counts = count(&conversations);
    match to_json(conversations).and_then(|text| from_text(&text)) {
        Ok(again) => assert_eq!(count(&again), counts, "the export is imported differently"),
        Err(error) => panic!("the export cannot be imported: {error}"),
    }
}

fn ids(conversation: &Conversation) -> HashSet<Id> {
    conversation.messages.iter().map(|message| message.id).collect()
}

/// Checks that messages refer to their conversation, and that the visible branch exists and has no cycle.
fn check(conversation: &Conversation) {
    let Conversation { summary, messages } = conversation;
    assert!(messages.iter().all(|message| message.conversation == summary.id), "a message of another conversation");
    assert!(messages.iter().any(|message| Some(message.id) == summary.leaf), "the visible branch does not exist");
    assert!(conversation.visible_branch().len() <= messages.len(), "the visible branch has a cycle");
}

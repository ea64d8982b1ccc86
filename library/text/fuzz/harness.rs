//! What the fuzz targets, and the test over their corpus, do with an input. A panic or a result that is not what it should be is
//! a fault; an error is not.

use std::collections::HashSet;

use parlance_protocol::library::{Conversation, Id, path_to};
use parlance_text::exchange::{from_text, rename_messages, to_json, to_markdown};
use parlance_text::markdown::{Renderer, to_html};

/// Bytes of HTML that each byte of a text may become: highlighting and formulas put elements around single characters.
const MAX_GROWTH: usize = 512;
/// Bytes of HTML that any text may become: a table's short rows are filled up, to a quarter of a million cells.
const MAX_BASE_BYTES: usize = 8 << 20;

/// Turns a text into HTML, as a whole and in up to eight pieces; the first byte says in how many.
pub(crate) fn render(data: &[u8]) {
    let Some((pieces, text)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    let whole = to_html(&text);
    let html_bytes: usize = whole.iter().map(String::len).sum();
    assert!(html_bytes <= MAX_BASE_BYTES + MAX_GROWTH * text.len(), "{html_bytes} bytes of HTML");

    let characters: Vec<char> = text.chars().collect();
    let mut renderer = Renderer::default();
    let mut shown: Vec<String> = Vec::new();
    for piece in characters.chunks(characters.len() / usize::from(pieces % 8 + 1) + 1) {
        let update = renderer.push(&piece.iter().collect::<String>());
        shown.truncate(update.first_block);
        shown.extend(update.blocks);
    }
    let update = renderer.finish("");
    shown.truncate(update.first_block);
    shown.extend(update.blocks);
    assert_eq!(shown, whole, "in pieces it is another text");
}

/// Reads an export, stores it beside conversations that have all of its messages' names, and writes it again.
pub(crate) fn import(data: &[u8]) {
    let Ok(mut conversations) = from_text(&String::from_utf8_lossy(data)) else { return };
    for conversation in &mut conversations {
        assert!(!conversation.messages.is_empty(), "a conversation without messages");
        check(conversation);
        let taken: HashSet<Id> = conversation.messages.iter().map(|message| message.id).collect();
        rename_messages(conversation, &taken);
        check(conversation);
        let names: HashSet<Id> = conversation.messages.iter().map(|message| message.id).collect();
        assert_eq!(names.len(), conversation.messages.len(), "two messages have one name");
        assert!(names.is_disjoint(&taken), "a message has the name of another conversation's");
    }
    let _ = to_markdown(&conversations);
    let count = |conversations: &[Conversation]| -> Vec<usize> {
        conversations.iter().map(|conversation| conversation.messages.len()).collect()
    };
    let counts = count(&conversations);
    match to_json(conversations).and_then(|text| from_text(&text)) {
        Ok(again) => assert_eq!(count(&again), counts, "what was written is read as something else"),
        // Without conversations nothing tells what kind of file it is.
        Err(error) => assert!(counts.is_empty(), "what was written cannot be read: {error}"),
    }
}

/// The branch on screen is there and has an end, and messages belong to their conversation.
fn check(conversation: &Conversation) {
    let Conversation { summary, messages } = conversation;
    assert!(messages.iter().all(|message| message.conversation == summary.id), "a message of another conversation");
    assert!(messages.iter().any(|message| Some(message.id) == summary.leaf), "the branch on screen is not there");
    assert!(path_to(messages, summary.leaf).len() <= messages.len(), "the branch on screen has no end");
}

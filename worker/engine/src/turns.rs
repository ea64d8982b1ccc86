//! Turn markers: the tokens that a template puts between messages. Files declare some of them as text (`<|im_start|>` as
//! `USER_DEFINED`), and then a pasted text could begin a turn of its own, and the end of a turn would not end an answer. So they
//! are known by where a template puts them.

use serde_json::json;

use crate::template::{ChatTemplate, TemplateOptions};
use crate::tokenizer::Tokenizer;

/// What the messages of the probe say: letters and digits, which no template changes.
const PROBE: [&str; 3] = ["Qx7Za1", "Qx7Zb2", "Qx7Zc3"];
/// Longest text of a marker.
const MAX_MARKER_BYTES: usize = 64;
/// Parts of the names of markers inside a turn, which an answer has to show: they are read as text.
const INSIDE: [&str; 6] = ["think", "thought", "tool", "function", "reason", "channel"];

/// What a template puts around messages.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TurnMarkers {
    /// All of them.
    pub(crate) ids: Vec<u32>,
    /// The one that follows an answer at once.
    pub(crate) end_id: Option<u32>,
}

impl TurnMarkers {
    /// Renders a conversation whose messages can be found again. None are known of a template that does not take it, or shows
    /// only a part of it.
    pub(crate) fn of(template: &ChatTemplate, tokenizer: &Tokenizer) -> Self {
        let [question, answer, next] = PROBE;
        let messages = json!([
            { "role": "user", "content": question },
            { "role": "assistant", "content": answer },
            { "role": "user", "content": next },
        ]);
        let text = template.render(&messages, &TemplateOptions::default()).unwrap_or_default();
        let Some((before, rest)) = text.split_once(question) else { return Self::default() };
        let Some((between, rest)) = rest.split_once(answer) else { return Self::default() };
        let Some((after, end)) = rest.split_once(next) else { return Self::default() };
        let mut ids: Vec<u32> =
            [before, between, after, end].into_iter().flat_map(|border| markers(border, tokenizer)).collect();
        ids.sort_unstable();
        ids.dedup();
        let end_id = bracketed(after.trim_start()).and_then(|text| marker(text, tokenizer));
        Self { ids, end_id }
    }
}

/// The tokens of a border that mark turns.
fn markers<'b>(border: &'b str, tokenizer: &'b Tokenizer) -> impl Iterator<Item = u32> + 'b {
    let openings = border.match_indices(['<', '[']);
    openings.filter_map(|(at, _)| marker(bracketed(&border[at..])?, tokenizer))
}

/// What stands in brackets at the beginning of a text, with them.
fn bracketed(text: &str) -> Option<&str> {
    let close = match text.chars().next()? {
        '<' => '>',
        '[' => ']',
        _ => return None,
    };
    let end = text.find(close)? + close.len_utf8();
    let bracketed = &text[..end];
    (end <= MAX_MARKER_BYTES && end > 2 && !bracketed.contains(char::is_whitespace)).then_some(bracketed)
}

fn marker(text: &str, tokenizer: &Tokenizer) -> Option<u32> {
    let name = text.to_lowercase();
    if INSIDE.iter().any(|part| name.contains(part)) {
        return None;
    }
    tokenizer.id(text)
}

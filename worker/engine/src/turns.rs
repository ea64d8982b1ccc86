//! Turn markers: the tokens that a template inserts between messages. Some files declare them as text (`<|im_start|>`
//! as `USER_DEFINED`); then pasted text could start a turn of its own, and the end of a turn would not end an answer.
//! So they are recognised by where a template inserts them.

use serde_json::json;

use crate::template::{ChatTemplate, TemplateOptions};
use crate::tokenizer::Tokenizer;

/// Contents of the probe's messages: letters and digits, which no template changes.
const PROBE: [&str; 3] = ["Qx7Za1", "Qx7Zb2", "Qx7Zc3"];
/// Maximum length of a marker in bytes.
const MAX_MARKER_BYTES: usize = 64;
/// Substrings in the names of markers within a turn, which an answer must be able to contain: they are treated as text.
const INSIDE: [&str; 6] = ["think", "thought", "tool", "function", "reason", "channel"];

/// The markers that a template inserts around messages.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TurnMarkers {
    /// All markers.
    pub(crate) ids: Vec<u32>,
    /// The marker directly after an answer.
    pub(crate) end_id: Option<u32>,
}

impl TurnMarkers {
    /// Renders a conversation whose messages can be found in the result. Returns no markers if the template rejects it
    /// or shows only a part of it.
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

/// The turn markers in the text between two messages.
fn markers<'b>(border: &'b str, tokenizer: &'b Tokenizer) -> impl Iterator<Item = u32> + 'b {
    let openings = border.match_indices(['<', '[']);
    openings.filter_map(|(at, _)| marker(bracketed(&border[at..])?, tokenizer))
}

/// The bracketed text that `text` starts with, including the brackets.
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

//! Token ids to text, one after the other.

use std::sync::Arc;

use super::Tokenizer;

/// Turns a stream of tokens into text without ever splitting a character.
pub struct Detokenizer {
    tokenizer: Arc<Tokenizer>,
    /// The beginning of a character whose other bytes are still to come.
    pending: Vec<u8>,
    /// Drop a space before the next text.
    drops_space: bool,
}

impl Detokenizer {
    /// A detokenizer at the beginning of a text.
    pub fn new(tokenizer: Arc<Tokenizer>) -> Self {
        let drops_space = tokenizer.adds_space;
        Self { tokenizer, pending: Vec::new(), drops_space }
    }

    /// The text that `id` completes; empty for control tokens and inside a character.
    pub fn push(&mut self, id: u32) -> String {
        let mut bytes = self.tokenizer.token_bytes(id);
        if self.drops_space && !bytes.is_empty() {
            // The tokenizer put it before the text.
            bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
            self.drops_space = false;
        }
        self.pending.extend_from_slice(bytes);
        take_complete(&mut self.pending)
    }

    /// What is left at the end: a replacement character for a character that never became complete.
    pub fn finish(self) -> String {
        String::from_utf8_lossy(&self.pending).into_owned()
    }
}

/// Takes the complete characters from the front of `pending`; bytes that cannot become one are replaced.
fn take_complete(pending: &mut Vec<u8>) -> String {
    let mut text = String::new();
    let mut rest = pending.as_slice();
    loop {
        match std::str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                rest = &[];
                break;
            }
            Err(error) => {
                let (valid, after) = rest.split_at(error.valid_up_to());
                text.push_str(&String::from_utf8_lossy(valid));
                rest = after;
                // No length means that more bytes may still complete the character.
                let Some(len) = error.error_len() else { break };
                text.push(char::REPLACEMENT_CHARACTER);
                rest = &rest[len..];
            }
        }
    }
    let left = rest.to_vec();
    *pending = left;
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_given_only_when_it_is_complete() {
        let mut pending = Vec::new();
        let mut pieces = Vec::new();
        for byte in "a€😀".bytes() {
            pending.push(byte);
            pieces.push(take_complete(&mut pending));
        }
        assert_eq!(pieces, ["a", "", "", "€", "", "", "", "😀"]);
        assert!(pending.is_empty());
    }

    #[test]
    fn impossible_bytes_are_replaced_and_the_stream_goes_on() {
        let mut pending = vec![b'a', 0xFF, b'b', 0xE2, 0x82];
        assert_eq!(take_complete(&mut pending), "a\u{FFFD}b");
        assert_eq!(pending, [0xE2, 0x82]);
    }
}

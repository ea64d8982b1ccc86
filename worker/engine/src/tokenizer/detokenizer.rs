//! Incremental conversion of token IDs to text.

use std::sync::Arc;

use super::Tokenizer;

/// Turns a stream of tokens into text without ever splitting a character.
pub struct Detokenizer {
    tokenizer: Arc<Tokenizer>,
    /// The start of a character whose remaining bytes are still to come.
    pending: Vec<u8>,
    /// Whether to drop a space before the next text.
    drops_space: bool,
}

impl Detokenizer {
    /// A detokenizer at the start of a text.
    pub fn new(tokenizer: Arc<Tokenizer>) -> Self {
        let drops_space = tokenizer.adds_space;
        Self { tokenizer, pending: Vec::new(), drops_space }
    }

    /// The text that `id` completes; empty for control tokens and within a character.
    pub fn push(&mut self, id: u32) -> String {
        let mut bytes = self.tokenizer.token_bytes(id);
        if self.drops_space && !bytes.is_empty() {
            // The tokenizer had inserted it.
            bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
            self.drops_space = false;
        }
        self.pending.extend_from_slice(bytes);
        take_complete(&mut self.pending)
    }

    /// The rest at the end: a replacement character if the last character is incomplete.
    pub fn finish(self) -> String {
        String::from_utf8_lossy(&self.pending).into_owned()
    }
}

/// Removes complete characters from the front of `pending`; invalid bytes are replaced.
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
                // Without a length, more bytes may still complete the character.
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
    fn characters_are_returned_when_complete() {
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
    fn invalid_bytes_are_replaced_and_the_stream_continues() {
        let mut pending = vec![b'a', 0xFF, b'b', 0xE2, 0x82];
        assert_eq!(take_complete(&mut pending), "a\u{FFFD}b");
        assert_eq!(pending, [0xE2, 0x82]);
    }
}

//! A sequence as bytes, so that a conversation can be continued later without computing its prompt again.

use super::Layout;
use crate::error::{EngineError, Result};

/// First bytes of a snapshot; the digits are the format's version.
const MAGIC: &[u8; 8] = b"parlkv02";
/// Numbers after the magic.
const NUMBERS: usize = 3;

/// What a snapshot holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contents<'a> {
    pub tokens: Vec<u32>,
    /// Rows of all tokens, layer by layer.
    pub rows: &'a [u8],
    /// The state after them.
    pub state: &'a [u8],
}

/// The format: magic; bytes of a token's rows, bytes of the state, number of tokens (u32 each, little-endian); token ids (u32 each);
/// rows; state.
pub(crate) struct Snapshot {
    pub layout: Layout,
    /// Most tokens that there is room for.
    pub context: usize,
    pub vocab: u32,
}

impl Snapshot {
    /// The bytes before rows and state.
    pub(crate) fn header(&self, tokens: &[u32]) -> Vec<u8> {
        let numbers = [self.layout.row_bytes as u32, self.layout.state_bytes as u32, tokens.len() as u32];
        let words = numbers.iter().chain(tokens).flat_map(|word| word.to_le_bytes());
        MAGIC.iter().copied().chain(words).collect()
    }

    /// Reads a snapshot.
    ///
    /// # Errors
    /// [`EngineError::BadSnapshot`] if it is damaged, of another model, or longer than the context.
    pub(crate) fn read<'a>(&self, bytes: &'a [u8]) -> Result<Contents<'a>> {
        let bad = |why| Err(EngineError::BadSnapshot(why));
        let Some(rest) = bytes.strip_prefix(MAGIC) else { return bad("it is damaged") };
        let words = |bytes: &[u8]| -> Vec<u32> {
            bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
        };
        let Some((numbers, rest)) = rest.split_at_checked(4 * NUMBERS) else { return bad("it is damaged") };
        let [row_bytes, state_bytes, count] = words(numbers)[..] else { return bad("it is damaged") };
        if (u64::from(row_bytes), u64::from(state_bytes)) != (self.layout.row_bytes, self.layout.state_bytes) {
            return bad("it belongs to another model");
        }
        let count = count as usize;
        if count > self.context {
            return bad("it is longer than the context");
        }
        let Some((tokens, rest)) = rest.split_at_checked(4 * count) else { return bad("it is damaged") };
        let Some((rows, state)) = rest.split_at_checked(count * row_bytes as usize) else {
            return bad("it is damaged");
        };
        if state.len() != state_bytes as usize {
            return bad("it is damaged");
        }
        let tokens = words(tokens);
        if tokens.iter().any(|token| *token >= self.vocab) {
            return bad("it belongs to another model");
        }
        Ok(Contents { tokens, rows, state })
    }
}

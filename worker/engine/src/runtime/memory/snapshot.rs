//! Serialised sequences, with which a conversation continues without prefill.

use super::element::{from_words, to_words};
use super::{Element, Memory, Part};
use crate::error::{EngineError, Result};

/// Magic number; its digits are the version of the format.
const MAGIC: &[u8; 8] = b"parlkv02";
/// Magic number of version 1, which had no checkpoints. Instead of the two sizes it has the number of layers and the
/// bytes of a token's keys in a layer.
const OLD_MAGIC: &[u8; 8] = b"parlkv01";
/// Number of integers after the magic number.
const NUMBERS: usize = 3;

/// Contents of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contents<'a> {
    pub elements: Vec<Element>,
    /// Rows of all elements, layer by layer.
    pub rows: &'a [u8],
    /// The checkpoint after them.
    pub checkpoint: &'a [u8],
}

/// The format: magic number; bytes of a token's rows, maximum size of a checkpoint, number of elements (u32 each,
/// little-endian); the elements, see [`to_words`]; rows; checkpoint.
pub(crate) struct Snapshot<'m> {
    pub memory: &'m dyn Memory,
    /// Context length in tokens.
    pub context: usize,
    pub vocab: u32,
}

impl Snapshot<'_> {
    /// The bytes that precede rows and checkpoint.
    pub(crate) fn header(&self, elements: &[Element]) -> Vec<u8> {
        let layout = self.memory.layout();
        let numbers = [layout.row_bytes as u32, layout.checkpoint_bytes as u32, elements.len() as u32];
        let elements = to_words(elements);
        let words = numbers.iter().chain(&elements).flat_map(|word| word.to_le_bytes());
        MAGIC.iter().copied().chain(words).collect()
    }

    /// Parses a snapshot.
    ///
    /// # Errors
    /// [`EngineError::BadSnapshot`] if it is damaged, belongs to another model, or is longer than the context.
    pub(crate) fn read<'a>(&self, bytes: &'a [u8]) -> Result<Contents<'a>> {
        let bad = |why| Err(EngineError::BadSnapshot(why));
        let (rest, is_old) = match (bytes.strip_prefix(MAGIC), bytes.strip_prefix(OLD_MAGIC)) {
            (Some(rest), _) => (rest, false),
            (None, Some(rest)) => (rest, true),
            (None, None) => return bad("it is damaged"),
        };
        let words = |bytes: &[u8]| -> Vec<u32> {
            bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
        };
        let Some((numbers, rest)) = rest.split_at_checked(4 * NUMBERS) else { return bad("it is damaged") };
        let [first, second, count] = words(numbers)[..] else { return bad("it is damaged") };
        let (first, second) = (u64::from(first), u64::from(second));
        let sizes = if is_old { (2 * first * second, 0) } else { (first, second) };
        let layout = self.memory.layout();
        if sizes != (layout.row_bytes, layout.checkpoint_bytes) {
            return bad("it belongs to another model");
        }
        if count as usize > self.context {
            return bad("it is longer than the context");
        }
        // No more words than the longest sequence without runs, or one of runs of one element, can have.
        let most = rest.len().min(4 * 5 * count as usize);
        let Some((elements, words_read)) = from_words(&words(&rest[..most]), count as usize) else {
            return bad("it is damaged");
        };
        let rest = &rest[4 * words_read..];
        let rows_bytes = u64::from(count) * layout.row_bytes;
        if rest.len() as u64 != rows_bytes + self.memory.bytes(Part::Checkpoint(count as usize)) {
            return bad("it is damaged");
        }
        // No longer than `rest`.
        let (rows, checkpoint) = rest.split_at(rows_bytes as usize);
        if elements.iter().filter_map(|element| element.token()).any(|token| token >= self.vocab) {
            return bad("it belongs to another model");
        }
        Ok(Contents { elements, rows, checkpoint })
    }
}

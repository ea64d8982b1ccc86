//! `SentencePiece`'s BPE: adjacent pieces are merged in the order of the merged tokens' scores, and characters without
//! a token fall back to bytes. The `tokenizers` crate only merges by rank, which gives other results if scores tie.
//!
//! Algorithm: `bpe_model.cc` of `SentencePiece`.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

/// Represents a space in the vocabulary.
pub(super) const SPACE: char = '\u{2581}';

/// The vocabulary by text, with scores.
pub(super) struct SentencePiece {
    ids: HashMap<String, u32>,
    scores: Vec<f32>,
    /// The token of each byte, if it has one.
    byte_ids: Vec<Option<u32>>,
    unknown_id: u32,
}

/// Two adjacent pieces that form a token.
struct Merge {
    score: f32,
    left: usize,
    right: usize,
    /// Length of both in bytes; differs if a piece has changed since.
    len: usize,
}

impl PartialEq for Merge {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Merge {}

impl PartialOrd for Merge {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Merge {
    /// Higher scores first; among equal ones, the leftmost.
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.left.cmp(&self.left))
    }
}

/// A piece of the text and its neighbours.
#[derive(Clone, Copy)]
struct Symbol {
    start: usize,
    len: usize,
    previous: Option<usize>,
    next: Option<usize>,
}

impl SentencePiece {
    /// `scores` has one entry per text; tokens for which `is_special` is true are never produced from text.
    pub(super) fn new(texts: &[String], scores: &[f32], unknown_id: u32, is_special: impl Fn(u32) -> bool) -> Self {
        let ids: HashMap<_, _> = texts.iter().cloned().zip(0..).filter(|(_, id)| !is_special(*id)).collect();
        let byte_ids = (0..=u8::MAX).map(|byte| byte_token(&ids, byte)).collect();
        Self { ids, scores: scores.to_vec(), byte_ids, unknown_id }
    }

    /// Stops producing the token with this text.
    pub(super) fn forget(&mut self, text: &str) {
        self.ids.remove(text);
    }

    /// Appends the tokens of `text`, in which [`SPACE`] represents spaces.
    pub(super) fn encode(&self, text: &str, ids: &mut Vec<u32>) {
        let mut symbols: Vec<Symbol> = Vec::new();
        for (start, character) in text.char_indices() {
            let index = symbols.len();
            let previous = index.checked_sub(1);
            symbols.push(Symbol { start, len: character.len_utf8(), previous, next: Some(index + 1) });
        }
        let Some(last) = symbols.last_mut() else { return };
        last.next = None;

        let mut merges = BinaryHeap::new();
        for right in 1..symbols.len() {
            merges.extend(self.merge(text, &symbols, right - 1, right));
        }
        while let Some(Merge { left, right, len, .. }) = merges.pop() {
            let (a, b) = (symbols[left], symbols[right]);
            if a.len == 0 || b.len == 0 || a.len + b.len != len {
                continue;
            }
            symbols[left].len = len;
            symbols[left].next = b.next;
            symbols[right].len = 0;
            if let Some(next) = b.next {
                symbols[next].previous = Some(left);
                merges.extend(self.merge(text, &symbols, left, next));
            }
            if let Some(previous) = a.previous {
                merges.extend(self.merge(text, &symbols, previous, left));
            }
        }
        for symbol in symbols.iter().filter(|symbol| symbol.len > 0) {
            let piece = &text[symbol.start..][..symbol.len];
            match self.ids.get(piece) {
                Some(id) => ids.push(*id),
                None => {
                    ids.extend(piece.bytes().map(|byte| self.byte_ids[usize::from(byte)].unwrap_or(self.unknown_id)));
                }
            }
        }
    }

    fn merge(&self, text: &str, symbols: &[Symbol], left: usize, right: usize) -> Option<Merge> {
        let len = symbols[left].len + symbols[right].len;
        let id = self.ids.get(&text[symbols[left].start..][..len])?;
        let score = self.scores.get(*id as usize).copied().unwrap_or_default();
        Some(Merge { score, left, right, len })
    }
}

/// The token `<0xNN>`, or that of the character with this code.
fn byte_token(ids: &HashMap<String, u32>, byte: u8) -> Option<u32> {
    let character = || byte.is_ascii().then(|| ids.get(&char::from(byte).to_string())).flatten();
    ids.get(&format!("<0x{byte:02X}>")).or_else(character).copied()
}

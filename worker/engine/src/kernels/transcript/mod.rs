//! Dispatches of `token_scan.wgsl` and `token_choice.wgsl`: greedy decoding of a transcript.

pub mod reference;

use super::{Grid, Shader};

/// Number of tokens per workgroup of the scan.
const CHUNK_LEN: u32 = 1024;

/// Words of what was said so far: the number of tokens, the last one, the one before, the last time.
pub const PROGRESS_WORDS: usize = 4;

/// The vocabulary of a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transcript {
    /// Number of tokens.
    pub vocab: u32,
    /// The first token after those of text.
    pub end: u32,
    /// Tokens from there on are times.
    pub first_time: u32,
    /// The latest time at which the first segment starts, in times.
    pub latest_start: u32,
    /// Number of tokens that are recorded.
    pub ring_len: u32,
}

impl Transcript {
    /// Words of the parts that the scan leaves.
    pub fn part_words(&self) -> u32 {
        self.chunks() * 2 * 3
    }

    /// The scan over the vocabulary.
    pub fn scan(&self) -> (Shader, Grid) {
        let shader = Shader::new("transcript/token_scan.wgsl")
            .constant("VOCAB", self.vocab)
            .constant("CHUNK_LEN", CHUNK_LEN)
            .constant("END", self.end)
            .constant("FIRST_TIME", self.first_time)
            .constant("LATEST_START", self.latest_start)
            .constant("WORKGROUP", 256);
        (shader, Grid::Fixed([self.chunks(), 1, 1]))
    }

    /// The choice.
    pub fn choice(&self) -> (Shader, Grid) {
        let shader = Shader::new("transcript/token_choice.wgsl")
            .constant("CHUNKS", self.chunks())
            .constant("FIRST_TIME", self.first_time)
            .constant("RING_LEN", self.ring_len)
            .constant("WORKGROUP", 64);
        (shader, Grid::Fixed([1, 1, 1]))
    }

    fn chunks(&self) -> u32 {
        self.vocab.div_ceil(CHUNK_LEN)
    }
}

/// One bit per token of a vocabulary, lowest first, that is in a list.
pub fn bits(vocab: u32, ids: &[u32]) -> Vec<u32> {
    let mut words = vec![0; vocab.div_ceil(32) as usize];
    for id in ids {
        words[*id as usize / 32] |= 1 << (id % 32);
    }
    words
}

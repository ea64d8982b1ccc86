//! How a layer's cache is laid out, for all kernels that write or read it, and whose tokens they compute.

use super::{Grid, Shader};
use crate::models::CacheFormat;

/// Maximum number of sequences in a memory, and of tokens in a batch of [`TokensOf::Each`].
pub const MAX_SEQUENCES: u32 = 16;

/// The sequences that the tokens of a batch belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokensOf {
    /// The only one in memory.
    Only,
    /// One of several.
    One,
    /// One token each.
    Each,
}

impl TokensOf {
    /// Workgroups of a kernel that goes from token to token of a sequence: `xy` for each sequence of the batch.
    pub(super) fn grid(self, [x, y]: [u32; 2]) -> Grid {
        match self {
            Self::Only | Self::One => Grid::Fixed([x, y, 1]),
            Self::Each => Grid::TokensInZ { xy: [x, y], tokens_per_group: 1, groups_per_token: 1 },
        }
    }

    /// Declares what `shared/place.wgsl` needs.
    pub(super) fn declare(self, shader: Shader) -> Shader {
        match self {
            Self::Only => shader,
            Self::One | Self::Each => shader
                .define_if(true, "SEQUENCES")
                .define_if(self == Self::Each, "EACH")
                .constant("MAX_SEQUENCES", MAX_SEQUENCES),
        }
    }
}

/// A layer's cache: a row of keys for each position, then a row of values for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLayout {
    /// Format of the elements.
    pub format: CacheFormat,
    /// Offset of the values in words, a multiple of the words of eight elements; 0 if a value is the first elements of
    /// its key.
    pub value_offset: u32,
    /// Number of positions that there are rows for, if that is fewer than a sequence may have: a row is reused for the
    /// position this far on (`attention/cache_row.wgsl`). `None` means that each position has its own.
    pub ring: Option<u32>,
    /// Whose tokens are computed.
    pub tokens: TokensOf,
    /// Rows of each sequence, if there are several.
    pub rows: u32,
    /// Rows of RoPE angles of each sequence, if there are several.
    pub context: u32,
}

impl CacheLayout {
    /// A cache of f16 for all positions of one sequence.
    pub const fn f16(value_offset: u32) -> Self {
        Self { format: CacheFormat::F16, value_offset, ring: None, tokens: TokensOf::Only, rows: 0, context: 0 }
    }

    /// Index of the row of a sequence's position.
    pub fn row(&self, sequence: usize, position: usize) -> usize {
        sequence * self.rows as usize + self.ring.map_or(position, |len| position % len as usize)
    }

    /// Declares what `attention/cache_row.wgsl` and the kernels' conversions of elements need.
    pub(super) fn declare(&self, shader: Shader) -> Shader {
        let mut shader = self
            .tokens
            .declare(shader)
            .define_if(self.format == CacheFormat::Q8, "CACHE_Q8")
            .define_if(self.format == CacheFormat::F32, "CACHE_F32");
        if let Some(len) = self.ring {
            shader = shader.define_if(true, "RING").constant("RING_LEN", len);
        }
        if self.tokens != TokensOf::Only {
            shader = shader.constant("SEQUENCE_ROWS", self.rows).constant("CONTEXT", self.context);
        }
        shader
    }
}

//! How keys and values are kept.

use super::HeadShape;

/// The form of keys and values in the cache of a GPU. On the CPU they are whole floats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum CacheFormat {
    /// Halves: two bytes an element.
    #[default]
    F16,
    /// Bytes, with a scale (f32) for each 32 of them: 1.125 bytes an element. For heads of a multiple of 32 elements.
    Q8,
}

impl CacheFormat {
    /// Elements that share a scale.
    pub const Q8_BLOCK: u32 = 32;

    /// This format, or the one that all heads can have.
    #[must_use]
    pub fn for_heads(self, heads: &HeadShape) -> Self {
        if heads.head_dim.is_multiple_of(Self::Q8_BLOCK) { self } else { Self::F16 }
    }

    /// Words of a token's keys, or values, in a layer: those of all elements, then those of all scales. `kv_len` elements, a multiple of
    /// eight; an even number of words.
    pub fn row_words(self, kv_len: u32) -> u32 {
        match self {
            Self::F16 => kv_len / 2,
            Self::Q8 => kv_len / 4 + (kv_len / Self::Q8_BLOCK).next_multiple_of(2),
        }
    }

    /// Words that kernels load at once: eight elements.
    pub(crate) fn vector_words(self) -> u32 {
        match self {
            Self::F16 => 4,
            Self::Q8 => 2,
        }
    }
}

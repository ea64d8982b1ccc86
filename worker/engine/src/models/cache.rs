//! Formats of the KV cache.

use super::heads::HeadShape;

/// Format of the KV cache on a GPU. On the CPU it is f32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum CacheFormat {
    /// f16: two bytes per element.
    #[default]
    F16,
    /// 8-bit integers with an f32 scale per 32: 1.125 bytes per element. Needs keys and values of a multiple of 32
    /// elements.
    Q8,
    /// f32: four bytes per element, for models whose results are vectors or scores. Not for latent attention.
    F32,
}

impl CacheFormat {
    /// Number of elements that share a scale.
    pub const Q8_BLOCK: u32 = 32;

    /// This format if the heads support it, otherwise f16.
    #[must_use]
    pub fn for_heads(self, heads: &HeadShape) -> Self {
        let is_whole = [heads.head_dim, heads.value_dim].iter().all(|len| len.is_multiple_of(Self::Q8_BLOCK));
        if self == Self::Q8 && !is_whole { Self::F16 } else { self }
    }

    /// Words per token for the keys, or the values, of a layer: first those of all elements, then those of all scales.
    /// There are `len` elements, a multiple of eight; the number of words is even.
    pub fn row_words(self, len: u32) -> u32 {
        match self {
            Self::F16 => len / 2,
            Self::Q8 => len / 4 + (len / Self::Q8_BLOCK).next_multiple_of(2),
            Self::F32 => len,
        }
    }

    /// Number of words that kernels load at once: eight elements.
    pub(crate) fn vector_words(self) -> u32 {
        match self {
            Self::F16 => 4,
            Self::Q8 => 2,
            Self::F32 => 8,
        }
    }
}

//! How a layer's cache is laid out, for all kernels that write or read it.

use super::Shader;
use crate::models::CacheFormat;

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
}

impl CacheLayout {
    /// A cache of f16 for all positions.
    pub fn f16(value_offset: u32) -> Self {
        Self { format: CacheFormat::F16, value_offset, ring: None }
    }

    /// Index of a position's row.
    pub fn row(&self, position: usize) -> usize {
        self.ring.map_or(position, |len| position % len as usize)
    }

    /// Declares what `attention/cache_row.wgsl` and the kernels' conversions of elements need.
    pub(super) fn declare(&self, shader: Shader) -> Shader {
        let shader = shader.define_if(self.format == CacheFormat::Q8, "CACHE_Q8");
        match self.ring {
            Some(len) => shader.define_if(true, "RING").constant("RING_LEN", len),
            None => shader,
        }
    }
}

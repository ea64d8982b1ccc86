//! What quantised formats decode to.

use half::f16;

/// 32 weights of a row: weight `i` is `quants[i] * scales[i / 16] + offsets[i / 16]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IntegerBlock {
    /// The integers.
    pub quants: [i8; 32],
    /// Scales of the two halves.
    pub scales: [f32; 2],
    /// Offsets of the two halves; -0 if the format has none, so that adding it preserves the sign of zero.
    pub offsets: [f32; 2],
}

/// The offset in formats without offsets.
const NO_OFFSET: f32 = -0.0;

impl IntegerBlock {
    /// With the same scale for both halves.
    pub(super) fn plain(quants: [i8; 32], scale: f32) -> Self {
        Self::with_offset(quants, scale, NO_OFFSET)
    }

    /// With a scale for either half.
    pub(super) fn halves(quants: [i8; 32], scales: [f32; 2]) -> Self {
        Self { quants, scales, offsets: [NO_OFFSET; 2] }
    }

    /// With the same scale and offset for both halves.
    pub(super) fn with_offset(quants: [i8; 32], scale: f32, offset: f32) -> Self {
        Self { quants, scales: [scale; 2], offsets: [offset; 2] }
    }

    /// The weights.
    pub fn weights(&self) -> [f32; 32] {
        std::array::from_fn(|i| f32::from(self.quants[i]) * self.scales[i / 16] + self.offsets[i / 16])
    }
}

/// The f16 at byte `at`.
pub(crate) fn half_at(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

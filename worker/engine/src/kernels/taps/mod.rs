//! Dispatch of `taps.wgsl`.

pub mod reference;

use super::Shader;

/// The inputs of a convolution over time, as rows for a matrix product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taps {
    /// Number of frames.
    pub frames: u32,
    /// Elements of a frame.
    pub channels: u32,
    /// Frames that a row consists of: the one before its own, its own, and those after it.
    pub taps: u32,
    /// Frames from one row's own to the next row's.
    pub stride: u32,
    /// Elements of a row, at least `channels * taps`.
    pub row_len: u32,
}

impl Taps {
    /// The kernel. Grid: one workgroup per row.
    pub fn shader(&self) -> Shader {
        debug_assert!(self.row_len >= self.channels * self.taps, "a row holds all of them");
        Shader::new("taps/taps.wgsl")
            .constant("FRAMES", self.frames)
            .constant("CHANNELS", self.channels)
            .constant("TAPS", self.taps)
            .constant("STRIDE", self.stride)
            .constant("LEN", self.row_len)
            .constant("WORKGROUP", 64)
    }
}

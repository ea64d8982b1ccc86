//! The layout of a matrix for kernels: two aligned streams, quants and scales.

use super::{Codebook, TensorType};

/// Number of weights in a kernel's block, for every format.
pub const KERNEL_BLOCK_LEN: u64 = 32;

/// The smallest number of blocks of 32 weights whose parts fill whole words, with its sizes in the file and in the
/// streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Number of blocks of 32 weights.
    pub blocks: u64,
    /// Bytes in the file.
    pub file: u64,
    /// Bytes in the stream of quants.
    pub quants: u64,
    /// Bytes in the stream of scales.
    pub scales: u64,
}

impl Group {
    /// The group of a format.
    pub fn of(tensor_type: TensorType) -> Self {
        let (blocks, quants, scales) = match tensor_type {
            TensorType::F32 => (1, 128, 0),
            TensorType::F16 | TensorType::BF16 => (1, 64, 0),
            TensorType::Q4_0 | TensorType::IQ4_NL | TensorType::NVFP4 => (2, 32, 4),
            TensorType::Q4_1 => (1, 16, 4),
            TensorType::Q5_0 => (2, 32, 12),
            TensorType::Q5_1 => (1, 16, 8),
            TensorType::Q8_0 => (2, 64, 4),
            TensorType::MXFP4 => (4, 64, 4),
            TensorType::Q2_K | TensorType::IQ2_S => (8, 64, 20),
            TensorType::Q3_K => (8, 64, 52),
            TensorType::Q4_K => (8, 128, 16),
            TensorType::Q5_K => (8, 128, 48),
            TensorType::Q6_K => (8, 128, 84),
            TensorType::IQ4_XS => (8, 128, 8),
            TensorType::Q1_0 => (8, 32, 4),
            TensorType::Q2_0 => (4, 32, 4),
            TensorType::TQ1_0 | TensorType::TQ2_0 | TensorType::IQ2_XXS => (8, 64, 4),
            TensorType::IQ1_S => (8, 32, 20),
            TensorType::IQ1_M => (8, 32, 24),
            TensorType::IQ2_XS => (8, 64, 12),
            TensorType::IQ3_XXS => (8, 64, 36),
            TensorType::IQ3_S => (8, 64, 48),
            // Never used in kernels; whole words all the same.
            TensorType::Other(_) => (1, 0, 0),
        };
        let file = blocks * KERNEL_BLOCK_LEN * tensor_type.block_bytes() / tensor_type.block_len();
        Self { blocks, file, quants, scales }
    }
}

/// Sizes of a matrix's two streams in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamBytes {
    /// Quants.
    pub quants: u64,
    /// Scales, without the codebook.
    pub scales: u64,
    /// The codebook before the scales, if the format has one.
    pub codebook: u64,
}

impl StreamBytes {
    /// The size of the larger one, which a binding must hold. That is never the codebook's: formats that have one have
    /// more quants than scales.
    pub fn largest(self) -> u64 {
        self.quants.max(self.scales)
    }

    /// The size of both.
    pub fn total(self) -> u64 {
        self.quants + self.codebook + self.scales
    }
}

/// Sizes of the streams of a matrix with `rows` times `cols` weights.
pub fn stream_bytes(tensor_type: TensorType, rows: u32, cols: u32) -> StreamBytes {
    let group = Group::of(tensor_type);
    let groups = (u64::from(rows) * u64::from(cols)).div_ceil(KERNEL_BLOCK_LEN * group.blocks);
    let codebook = Codebook::of(tensor_type).map_or(0, |codebook| 4 * codebook.word_count() as u64);
    StreamBytes { quants: groups * group.quants, scales: groups * group.scales, codebook }
}

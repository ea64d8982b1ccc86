//! Dispatch of `repack.wgsl`, and how formats are laid out for the kernels.

use super::Shader;
use crate::gguf::TensorType;

/// Weights in a kernel's block, for every format.
pub const KERNEL_BLOCK_LEN: u64 = 32;
/// Threads of a workgroup.
const WORKGROUP: u32 = 128;
/// Bytes that are repacked at once at most: one workgroup in x for each [`WORKGROUP`] words, and adapters need not have more than 65,535.
pub const MAX_PIECE_BYTES: u64 = 16 << 20;

/// The least number of blocks of 32 weights whose parts fill whole words: its bytes in the file and in the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Blocks of 32 weights.
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
            TensorType::Q4_0 | TensorType::IQ4_NL => (2, 32, 4),
            TensorType::Q4_1 => (1, 16, 4),
            TensorType::Q5_0 => (2, 32, 12),
            TensorType::Q5_1 => (1, 16, 8),
            TensorType::Q8_0 => (2, 64, 4),
            TensorType::MXFP4 => (4, 64, 4),
            TensorType::Q2_K => (8, 64, 20),
            TensorType::Q3_K => (8, 64, 52),
            TensorType::Q4_K => (8, 128, 16),
            TensorType::Q5_K => (8, 128, 48),
            TensorType::Q6_K => (8, 128, 84),
            TensorType::IQ4_XS => (8, 128, 8),
            // Never computed with; whole words all the same.
            TensorType::Other(_) => (1, 0, 0),
        };
        let file = blocks * KERNEL_BLOCK_LEN * tensor_type.block_bytes() / tensor_type.block_len();
        Self { blocks, file, quants, scales }
    }
}

/// What a thread of `repack.wgsl` takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repack {
    /// The kernel.
    pub shader: Shader,
    /// Bytes in the file that a thread takes.
    pub file_bytes: u64,
    /// Bytes of quants that it writes.
    pub quant_bytes: u64,
    /// Whether it writes scales.
    pub has_scales: bool,
}

impl Repack {
    /// The kernel for a format, or `None` if the format has none.
    pub fn of(tensor_type: TensorType) -> Option<Self> {
        let part = match tensor_type {
            TensorType::F32 | TensorType::F16 | TensorType::BF16 => "plain",
            TensorType::Q4_1 | TensorType::IQ4_XS => "scales_first",
            TensorType::Q4_0 | TensorType::IQ4_NL | TensorType::Q8_0 => "half_first",
            TensorType::Q5_0 => "q5_0",
            TensorType::Q5_1 => "q5_1",
            TensorType::MXFP4 => "mxfp4",
            TensorType::Q2_K => "q2_k",
            TensorType::Q3_K => "q3_k",
            TensorType::Q4_K => "q4_k",
            TensorType::Q5_K => "q5_k",
            TensorType::Q6_K => "q6_k",
            TensorType::Other(_) => return None,
        };
        let group = Group::of(tensor_type);
        // Where nothing is rearranged a word is enough for a thread.
        let (file_bytes, quant_bytes) = if group.scales == 0 { (4, 4) } else { (group.file, group.quants) };
        let shader = Shader::new("repack.wgsl")
            .part("FORMAT", part)
            .constant("FILE_BYTES", file_bytes as u32)
            .constant("QUANT_WORDS", (quant_bytes / 4) as u32)
            .constant("SCALE_WORDS", (group.scales / 4) as u32)
            .constant("WORKGROUP", WORKGROUP);
        Some(Self { shader, file_bytes, quant_bytes, has_scales: group.scales > 0 })
    }

    /// Workgroups for a piece of so many bytes.
    pub fn workgroups(&self, len_bytes: u64) -> u32 {
        len_bytes.div_ceil(self.file_bytes * u64::from(WORKGROUP)) as u32
    }
}

//! Dispatch of `repack.wgsl`, which converts formats to the layout of the kernels.

pub mod reference;

use super::Shader;
use crate::gguf::{Codebook, Group, TensorType};

/// Threads in a workgroup.
const WORKGROUP: u32 = 128;
/// Maximum number of bytes to repack at once: a workgroup in x handles at least [`WORKGROUP`] words, and adapters may
/// not support more than 65,535 workgroups.
pub const MAX_PIECE_BYTES: u64 = 16 << 20;

/// A range of bytes in a copy of a part of a file, all with the same destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Offset of the first byte in the copy.
    pub start: u64,
    /// Number of bytes.
    pub len_bytes: u64,
}

/// Work of a thread of `repack.wgsl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repack {
    /// The kernel.
    pub shader: Shader,
    /// Bytes of the file per thread.
    pub file_bytes: u64,
    /// Bytes of quants per thread.
    pub quant_bytes: u64,
    /// Whether there are scales.
    pub has_scales: bool,
}

impl Repack {
    /// The kernel for a format, or `None` if the format is unsupported.
    pub fn of(tensor_type: TensorType) -> Option<Self> {
        let part = match tensor_type {
            TensorType::F32 | TensorType::F16 | TensorType::BF16 => "plain",
            TensorType::Q4_1 | TensorType::IQ4_XS | TensorType::NVFP4 => "scales_first",
            TensorType::Q4_0 | TensorType::IQ4_NL | TensorType::Q8_0 => "half_first",
            TensorType::Q1_0 => "q1_0",
            TensorType::Q5_0 => "q5_0",
            TensorType::Q5_1 => "q5_1",
            TensorType::MXFP4 => "mxfp4",
            TensorType::Q2_K => "q2_k",
            TensorType::Q3_K => "q3_k",
            TensorType::Q4_K => "q4_k",
            TensorType::Q5_K => "q5_k",
            TensorType::Q6_K => "q6_k",
            TensorType::Q2_0 => "q2_0",
            TensorType::TQ1_0 => "tq1_0",
            TensorType::TQ2_0 => "tq2_0",
            TensorType::IQ1_S => "iq1_s",
            TensorType::IQ1_M => "quants_first",
            TensorType::IQ2_XXS => "iq2_xxs",
            TensorType::IQ2_XS => "iq2_xs",
            TensorType::IQ2_S => "iq2_s",
            TensorType::IQ3_XXS => "iq3_xxs",
            TensorType::IQ3_S => "iq3_s",
            TensorType::Other(_) => return None,
        };
        let group = Group::of(tensor_type);
        // One word per thread if nothing is rearranged.
        let (file_bytes, quant_bytes) = if group.scales == 0 { (4, 4) } else { (group.file, group.quants) };
        let shader = Shader::new("repack/repack.wgsl")
            .part("FORMAT", part)
            .define_if(group.scales > 0, "SCALES")
            .constant("FILE_BYTES", file_bytes as u32)
            .constant("QUANT_WORDS", (quant_bytes / 4) as u32)
            .constant("SCALE_WORDS", (group.scales / 4) as u32)
            .constant("CODEBOOK_WORDS", Codebook::of(tensor_type).map_or(0, Codebook::word_count) as u32)
            .constant("WORKGROUP", WORKGROUP);
        Some(Self { shader, file_bytes, quant_bytes, has_scales: group.scales > 0 })
    }

    /// Number of workgroups for a piece of `len_bytes`.
    pub fn workgroups(&self, len_bytes: u64) -> u32 {
        len_bytes.div_ceil(self.file_bytes * u64::from(WORKGROUP)) as u32
    }
}

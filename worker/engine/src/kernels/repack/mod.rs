//! Dispatch of `repack.wgsl`, and how formats are laid out for the kernels.

pub mod reference;

use super::Shader;
use crate::gguf::{Group, TensorType};

/// Threads of a workgroup.
const WORKGROUP: u32 = 128;
/// Bytes that are repacked at once at most: one workgroup in x for each [`WORKGROUP`] words, and adapters need not have more than 65,535.
pub const MAX_PIECE_BYTES: u64 = 16 << 20;

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
        let shader = Shader::new("repack/repack.wgsl")
            .part("FORMAT", part)
            .define_if(group.scales > 0, "SCALES")
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

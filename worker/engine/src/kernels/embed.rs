//! Dispatch of `embed.wgsl`.

use super::{Shader, format_name};
use crate::gguf::TensorType;

/// The embedding look-up of a `[vocab][cols]` table, or `None` if the format has no kernel.
///
/// Grid: one workgroup a token.
pub fn embed(tensor_type: TensorType, cols: u32, scale: f32) -> Option<Shader> {
    Some(
        Shader::new("embed.wgsl")
            .part("FORMAT", format_name(tensor_type)?)
            .constant("BLOCKS", cols / 32)
            .constant("WORKGROUP", 32)
            .float("SCALE", scale),
    )
}

//! Dispatch of `embed.wgsl`.

pub mod reference;

use super::{Shader, format_name};
use crate::gguf::TensorType;

/// A part of an embedding table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Embed {
    /// Format of the weights.
    pub tensor_type: TensorType,
    /// ID of the token that the first row belongs to.
    pub first_row: u32,
    /// Number of rows.
    pub rows: u32,
    /// Number of columns, a multiple of 32.
    pub cols: u32,
    /// Factor of the result.
    pub scale: f32,
    /// Add to the hidden state instead of overwriting it.
    pub adds: bool,
}

impl Embed {
    /// The lookup, or `None` if the format has no kernel. Grid: one workgroup per token.
    pub fn shader(&self) -> Option<Shader> {
        Some(
            Shader::new("embed/embed.wgsl")
                .part("FORMAT", format_name(self.tensor_type)?)
                .define_if(self.adds, "ADD")
                .constant("BLOCKS", self.cols / 32)
                .constant("FIRST_ROW", self.first_row)
                .constant("ROWS", self.rows)
                .constant("WORKGROUP", 32)
                .float("SCALE", self.scale),
        )
    }
}

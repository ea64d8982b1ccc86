//! Dispatches of `add_rows.wgsl` and `mean_rows.wgsl`: what towers and embeddings of pictures need besides products,
//! norms and attention. Grid: one workgroup per token.

pub mod reference;

use super::Shader;

/// `y[t][i] += x[t][at + i]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddRows {
    /// Elements per token that are added.
    pub len: u32,
    /// Elements per token of what is added.
    pub stride: u32,
    /// Where they begin.
    pub at: u32,
    /// Each element has a factor.
    pub scaled: bool,
}

impl AddRows {
    /// The kernel.
    pub fn shader(&self) -> Shader {
        Shader::new("rows/add_rows.wgsl")
            .define_if(self.scaled, "SCALED")
            .constant("LEN", self.len)
            .constant("STRIDE", self.stride)
            .constant("AT", self.at)
            .constant("WORKGROUP", 64)
    }
}

/// The mean of each `count` consecutive rows of `len` elements.
pub fn mean_rows(len: u32, count: u32) -> Shader {
    Shader::new("rows/mean_rows.wgsl").constant("LEN", len).constant("COUNT", count).constant("WORKGROUP", 64)
}

//! Dispatches of `add_rows.wgsl`, `clamp.wgsl`, `gate_rows.wgsl` and `mean_rows.wgsl`: what towers and embeddings of
//! pictures need besides products, norms and attention. Grid: one workgroup per token.

pub mod reference;

use super::Shader;
use super::linear::with_activation;
use crate::models::Activation;

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

/// Averages each `count` consecutive rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanRows {
    /// Elements per row.
    pub len: u32,
    /// Number of rows that become one.
    pub count: u32,
    /// Factor of the mean.
    pub scale: f32,
    /// Each element is then standardised with a mean and a factor of its own.
    pub standard: bool,
}

impl MeanRows {
    /// The kernel.
    pub fn shader(&self) -> Shader {
        Shader::new("rows/mean_rows.wgsl")
            .define_if(self.standard, "STANDARD")
            .constant("LEN", self.len)
            .constant("COUNT", self.count)
            .float("SCALE", self.scale)
            .constant("WORKGROUP", 64)
    }
}

/// Keeps part of each row within bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clamp {
    /// Elements per token that are kept within bounds.
    pub len: u32,
    /// Elements per token.
    pub stride: u32,
    /// Where they begin.
    pub at: u32,
    /// The bounds are those of outputs, not of inputs.
    pub is_output: bool,
    /// The result replaces the input.
    pub in_place: bool,
}

impl Clamp {
    /// The kernel.
    pub fn shader(&self) -> Shader {
        Shader::new("rows/clamp.wgsl")
            .define_if(self.in_place, "IN_PLACE")
            .constant("LEN", self.len)
            .constant("STRIDE", self.stride)
            .constant("AT", self.at)
            .constant("FIRST", 2 * u32::from(self.is_output))
            .constant("WORKGROUP", 64)
    }
}

/// Gates rows of `len` elements.
pub fn gate_rows(len: u32, activation: Activation) -> Shader {
    let shader = Shader::new("rows/gate_rows.wgsl").constant("LEN", len).constant("WORKGROUP", 64);
    with_activation(shader, activation)
}

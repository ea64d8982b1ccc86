//! Dispatch of `delta_net.wgsl`.

pub mod reference;

use super::{Grid, Shader};

/// Value elements that a workgroup computes; they divide every head.
const ROWS: u32 = 16;

/// The gated delta rule over tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeltaNet {
    /// Heads of queries and keys. Value head `h` has query and key head `h % key_heads`.
    pub key_heads: u32,
    /// Heads of values.
    pub value_heads: u32,
    /// Elements of a head, a multiple of 16.
    pub head_dim: u32,
    /// Elements of a row of the projection that gates are read from.
    pub gates_row_len: u32,
    /// Where the decay's exponents begin in it.
    pub alpha_at: u32,
    /// Where the update's factors begin in it.
    pub beta_at: u32,
    /// Least length that queries and keys are divided by.
    pub eps: f32,
}

impl DeltaNet {
    /// Threads that share a row of the state.
    fn lanes(&self) -> u32 {
        if self.head_dim.is_multiple_of(32) { 8 } else { 4 }
    }

    /// The kernel.
    pub fn shader(&self) -> Shader {
        debug_assert!(self.head_dim.is_multiple_of(ROWS), "workgroups share a head evenly");
        let lanes = self.lanes();
        Shader::new("delta_net/delta_net.wgsl")
            .constant("KEY_HEADS", self.key_heads)
            .constant("VALUE_HEADS", self.value_heads)
            .constant("HEAD_DIM", self.head_dim)
            .constant("GATES_LEN", self.gates_row_len)
            .constant("ALPHA_AT", self.alpha_at)
            .constant("BETA_AT", self.beta_at)
            .constant("ROWS", ROWS)
            .constant("LANES", lanes)
            .constant("ELEMENTS", self.head_dim / lanes)
            .constant("WORKGROUP", ROWS * lanes)
            .float("EPS", self.eps)
            .float("SCALE", (self.head_dim as f32).sqrt().recip())
    }

    /// Its workgroups.
    pub fn grid(&self) -> Grid {
        Grid::Fixed([self.head_dim / ROWS, self.value_heads, 1])
    }
}

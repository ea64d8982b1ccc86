//! Dispatch of `state_space.wgsl`.

pub mod reference;

use super::{Grid, Shader, TokensOf};

/// Number of row pairs of a head's state per workgroup; divides every head.
const PAIRS: u32 = 8;

/// Elements of a row per thread: enough to load many at once, few enough for registers.
const THREAD_ELEMENTS: u32 = 16;

/// The recurrence of Mamba-2 over tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateSpace {
    /// Number of heads.
    pub heads: u32,
    /// Elements per head, a multiple of 16.
    pub head_dim: u32,
    /// Number of B and C per token. Head `h` uses number `h / (heads / groups)`.
    pub groups: u32,
    /// Elements of B, and of C, a multiple of 16.
    pub state_len: u32,
    /// Elements per row of the projection that contains the step sizes.
    pub row_len: u32,
    /// Offset of the step sizes in a row.
    pub steps_at: u32,
    /// The output is multiplied by `SiLU` of gates, with which a row begins.
    pub gated: bool,
    /// Whose tokens are computed.
    pub tokens: TokensOf,
}

impl StateSpace {
    /// The kernel.
    pub fn shader(&self) -> Shader {
        debug_assert!(self.state_len.is_multiple_of(THREAD_ELEMENTS), "threads share a row evenly");
        debug_assert!(self.head_dim.is_multiple_of(2 * PAIRS), "workgroups share a head evenly");
        let lanes = self.state_len / THREAD_ELEMENTS;
        self.tokens
            .declare(Shader::new("state_space/state_space.wgsl"))
            .define_if(self.gated, "GATED")
            .constant("HEADS", self.heads)
            .constant("HEAD_DIM", self.head_dim)
            .constant("GROUPS", self.groups)
            .constant("STATE_LEN", self.state_len)
            .constant("LANES", lanes)
            .constant("PAIRS", PAIRS)
            .constant("WORKGROUP", PAIRS * lanes)
            .constant("ROW_LEN", self.row_len)
            .constant("STEPS_AT", self.steps_at)
    }

    /// Workgroups of the kernel.
    pub fn grid(&self) -> Grid {
        self.tokens.grid([self.head_dim / 2 / PAIRS, self.heads])
    }
}

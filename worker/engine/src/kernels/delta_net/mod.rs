//! Dispatch of `delta_net.wgsl`.

pub mod reference;

use super::{Grid, Shader, TokensOf};

/// Number of row pairs of a head's state per workgroup; divides every head.
const PAIRS: u32 = 8;

/// Elements of a row per thread: enough to load many at once, few enough for registers.
const THREAD_ELEMENTS: u32 = 16;

/// The gated delta rule over tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeltaNet {
    /// Number of query heads, and of key heads. Value head `h` uses query and key head `h % key_heads`.
    pub key_heads: u32,
    /// Number of value heads.
    pub value_heads: u32,
    /// Value head `h` uses query and key head `h / (value_heads / key_heads)` instead.
    pub grouped: bool,
    /// Elements per head, a multiple of 16.
    pub head_dim: u32,
    /// Elements per row of the projection that contains alpha and beta.
    pub gates_row_len: u32,
    /// Offset of alpha, the decay's exponents, in a row.
    pub alpha_at: u32,
    /// Offset of beta, the update's factors, in a row.
    pub beta_at: u32,
    /// Lower bound of the lengths that queries and keys are divided by.
    pub eps: f32,
    /// Whose tokens are computed.
    pub tokens: TokensOf,
}

impl DeltaNet {
    /// The kernel.
    pub fn shader(&self) -> Shader {
        debug_assert!(self.head_dim.is_multiple_of(THREAD_ELEMENTS), "threads share a row evenly");
        let lanes = self.head_dim / THREAD_ELEMENTS;
        self.tokens
            .declare(Shader::new("delta_net/delta_net.wgsl"))
            .define_if(self.grouped, "GROUPED")
            .constant("KEY_HEADS", self.key_heads)
            .constant("VALUE_HEADS", self.value_heads)
            .constant("HEAD_DIM", self.head_dim)
            .constant("LANES", lanes)
            .constant("PAIRS", PAIRS)
            .constant("WORKGROUP", PAIRS * lanes)
            .constant("GATES_ROW_LEN", self.gates_row_len)
            .constant("ALPHA_AT", self.alpha_at)
            .constant("BETA_AT", self.beta_at)
            .float("EPS", self.eps)
            .float("QUERY_SCALE", (self.head_dim as f32).sqrt().recip())
    }

    /// Workgroups of the kernel.
    pub fn grid(&self) -> Grid {
        self.tokens.grid([self.head_dim / 2 / PAIRS, self.value_heads])
    }
}

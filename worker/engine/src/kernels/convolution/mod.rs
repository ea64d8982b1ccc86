//! Dispatches of `convolution.wgsl` and `convolution_state.wgsl`.

pub mod reference;

use super::{Grid, Shader, TokensOf};

/// Threads in a workgroup.
const WORKGROUP: u32 = 64;

/// A causal depthwise convolution over tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convolution {
    /// Number of channels.
    pub channels: u32,
    /// Number of tokens that a result depends on, including its own; at least two.
    pub taps: u32,
    /// Elements of a token's projection.
    pub row_len: u32,
    /// Offset of the input in the projection; 0 with gates.
    pub input_at: u32,
    /// The projection begins with gates of the input, gates of the output and the input, as in LFM2. Otherwise the
    /// result goes through `SiLU`.
    pub gated: bool,
    /// A constant per channel is added to the weighted sums.
    pub biased: bool,
    /// Batches have one token, or one of each sequence: the same dispatch updates the state.
    pub one_token: bool,
    /// Whose tokens are computed.
    pub tokens: TokensOf,
}

impl Convolution {
    /// The convolution.
    pub fn shader(&self) -> Shader {
        self.declare(Shader::new("convolution/convolution.wgsl"))
            .define_if(self.one_token, "ONE_TOKEN")
            .define_if(self.biased, "BIAS")
    }

    /// Workgroups of the convolution.
    pub fn grid(&self) -> Grid {
        Grid::TokensInY { x: self.channels.div_ceil(WORKGROUP), z: 1 }
    }

    /// Updates the state after the convolution, unless it is for one token.
    pub fn state_shader(&self) -> Shader {
        self.declare(Shader::new("convolution/convolution_state.wgsl"))
    }

    /// Workgroups of the update.
    pub fn state_grid(&self) -> Grid {
        Grid::Fixed([self.channels.div_ceil(WORKGROUP), 1, 1])
    }

    fn declare(&self, shader: Shader) -> Shader {
        debug_assert!(self.taps > 1, "there is a state");
        debug_assert!(!self.gated || self.input_at == 0, "gates come first");
        debug_assert!(self.one_token || self.tokens != TokensOf::Each, "one token of each");
        self.tokens
            .declare(shader)
            .define_if(self.gated, "GATED")
            .constant("CHANNELS", self.channels)
            .constant("TAPS", self.taps)
            .constant("ROW_LEN", self.row_len)
            .constant("INPUT_AT", self.input_at)
            .constant("WORKGROUP", WORKGROUP)
    }
}

//! Dispatches of `convolution.wgsl` and `convolution_state.wgsl`.

pub mod reference;

use super::{Grid, Shader};

/// Threads of a workgroup.
const WORKGROUP: u32 = 64;

/// A causal convolution over tokens, for each channel by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convolution {
    /// Channels.
    pub channels: u32,
    /// Tokens that a result depends on, its own included; at least two.
    pub taps: u32,
    /// Elements of a token's projection, of which the first are the input.
    pub row_len: u32,
    /// The projection begins with gates of input and output, then the input, as in LFM2. Otherwise the result goes through `SiLU`.
    pub gated: bool,
    /// A batch has one token always: the state is updated by the same dispatch.
    pub one_token: bool,
}

impl Convolution {
    /// The convolution.
    pub fn shader(&self) -> Shader {
        self.declare(Shader::new("convolution/convolution.wgsl")).define_if(self.one_token, "ONE_TOKEN")
    }

    /// Its workgroups.
    pub fn grid(&self) -> Grid {
        Grid::TokensInY { x: self.channels.div_ceil(WORKGROUP), z: 1 }
    }

    /// What updates the state after a batch of several tokens.
    pub fn state_shader(&self) -> Shader {
        self.declare(Shader::new("convolution/convolution_state.wgsl"))
    }

    /// Its workgroups.
    pub fn state_grid(&self) -> Grid {
        Grid::Fixed([self.channels.div_ceil(WORKGROUP), 1, 1])
    }

    fn declare(&self, shader: Shader) -> Shader {
        debug_assert!(self.taps > 1, "there is a state");
        shader
            .define_if(self.gated, "GATED")
            .constant("CHANNELS", self.channels)
            .constant("TAPS", self.taps)
            .constant("ROW_LEN", self.row_len)
            .constant("WORKGROUP", WORKGROUP)
    }
}

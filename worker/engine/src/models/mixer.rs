//! Hyperparameters of the mixers: the parts of layers that mix tokens.

use super::checks::{Check, MAX_WIDTH};
use super::heads::HeadShape;

/// Limits on hyperparameters, as in `checks.rs`. An attention kernel has a thread for each pair of a value's elements.
const MAX_HEAD_DIM: u32 = 1024;
const MAX_VALUE_DIM: u32 = 512;
const MAX_STATE_DIM: u32 = 256;
const MAX_TAPS: u32 = 16;

/// How an attention layer encodes positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerRope {
    /// Not at all.
    None,
    /// With the model's RoPE.
    Main,
    /// With the RoPE of layers with a window.
    Window,
}

/// Attention over the keys and values of previous tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionConfig {
    /// Shapes of the heads.
    pub heads: HeadShape,
    /// Sliding window: the number of positions a token attends to, including its own; `None` means all of them.
    pub window: Option<u32>,
    /// The kind of RoPE.
    pub rope: LayerRope,
    /// The query projection also computes a gate for each element of the output.
    pub is_gated: bool,
    /// The earlier layer whose keys and values it reads; `None` if it computes its own.
    pub cache_of: Option<u32>,
    /// Keys and values are compressed. `heads` are then those that attend to the compressed ones.
    pub latent: Option<LatentConfig>,
}

/// Multi-head latent attention (DeepSeek-AI 2024, "DeepSeek-V2", section 2.1). All heads share one key per token: a
/// latent vector, and elements with its position. The latent vector is also the value. Each head has a matrix that
/// expands it to the head's key, and one that expands it to the head's value; the first is applied to the query instead
/// of the key, the second to the weighted sum instead of the values ("absorbed").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatentConfig {
    /// Length of the vector that queries are compressed to; `None` if they are projected directly.
    pub query_rank: Option<u32>,
    /// Elements of a head's query, and of its expanded key, without those with the position.
    pub key_dim: u32,
    /// Elements of a head's expanded value.
    pub value_dim: u32,
}

impl AttentionConfig {
    /// Width of the input of the output projection.
    pub fn output_len(&self) -> u32 {
        self.latent.map_or(self.heads.attended_len(), |latent| self.heads.heads * latent.value_dim)
    }

    /// Rows of the query projection, including gates.
    pub fn query_rows(&self) -> u32 {
        match self.latent {
            Some(latent) => self.heads.heads * (latent.key_dim + self.heads.rope_dim),
            None if self.is_gated => 2 * self.heads.query_len(),
            None => self.heads.query_len(),
        }
    }

    /// Elements of a token's keys that the layer computes and caches.
    pub fn key_len(&self) -> u32 {
        if self.cache_of.is_some() { 0 } else { self.heads.key_len() }
    }

    /// Elements of a token's values that the layer computes and caches, beside the keys.
    pub fn value_len(&self) -> u32 {
        if self.cache_of.is_some() || self.latent.is_some() { 0 } else { self.heads.value_len() }
    }

    /// Rows of the query, key and value projections in total.
    pub fn qkv_rows(&self) -> u32 {
        self.query_rows() + self.key_len() + self.value_len()
    }

    /// The heads, with the elements that RoPE rotates in this layer.
    pub fn rotated_heads(&self) -> HeadShape {
        match self.rope {
            LayerRope::None => HeadShape { rope_dim: 0, ..self.heads },
            LayerRope::Main | LayerRope::Window => self.heads,
        }
    }
}

/// A gated short convolution over previous tokens (LFM2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortConvolutionConfig {
    /// Number of channels, each with its own weights.
    pub channels: u32,
    /// Number of tokens that a result depends on, including its own.
    pub taps: u32,
}

/// A gated delta net (Yang et al. 2024, "Gated Delta Networks").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeltaNetConfig {
    /// Number of query heads, and of key heads; each serves `value_heads / key_heads` value heads.
    pub key_heads: u32,
    /// Number of value heads, each with a state of `head_dim` times `head_dim`.
    pub value_heads: u32,
    /// Neighbouring value heads share a key head; otherwise those `key_heads` apart.
    pub grouped: bool,
    /// Elements per head.
    pub head_dim: u32,
    /// Number of tokens that the preceding convolution covers, including the current one.
    pub taps: u32,
}

impl DeltaNetConfig {
    /// Elements of a token's queries, keys and values, which go through the convolution.
    pub fn channels(&self) -> u32 {
        (2 * self.key_heads + self.value_heads) * self.head_dim
    }

    /// Elements of a token's values.
    pub fn value_len(&self) -> u32 {
        self.value_heads * self.head_dim
    }

    /// Offset of the output gates in a token's projection, after queries, keys and values.
    pub fn gate_at(&self) -> u32 {
        self.channels()
    }

    /// Offset of the update's factors (beta) in the projection, one per value head.
    pub fn beta_at(&self) -> u32 {
        self.gate_at() + self.value_len()
    }

    /// Offset of the decay's exponents (alpha) in the projection, one per value head.
    pub fn alpha_at(&self) -> u32 {
        self.beta_at() + self.value_heads
    }

    /// Rows of the projection.
    pub fn projection_rows(&self) -> u32 {
        self.alpha_at() + self.value_heads
    }
}

/// A state space (Dao and Gu 2024, "Transformers are SSMs": Mamba-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateSpaceConfig {
    /// Number of heads, each with a state of `head_dim` times `state_len`.
    pub heads: u32,
    /// Elements of a head's input.
    pub head_dim: u32,
    /// Number of input and output projections (B and C), each of which serves `heads / groups` heads.
    pub groups: u32,
    /// Elements of the state per element of a head.
    pub state_len: u32,
    /// Number of tokens that the preceding convolution covers, including the current one.
    pub taps: u32,
}

impl StateSpaceConfig {
    /// Elements of a token's heads.
    pub fn inner_len(&self) -> u32 {
        self.heads * self.head_dim
    }

    /// Elements of a token's heads, B and C, which go through the convolution.
    pub fn channels(&self) -> u32 {
        self.inner_len() + 2 * self.groups * self.state_len
    }

    /// Offset of the convolution's input in a token's projection, after the output gates.
    pub fn convolved_at(&self) -> u32 {
        self.inner_len()
    }

    /// Offset of the step sizes in the projection, one per head.
    pub fn steps_at(&self) -> u32 {
        self.convolved_at() + self.channels()
    }

    /// Rows of the projection.
    pub fn projection_rows(&self) -> u32 {
        self.steps_at() + self.heads
    }
}

/// The part of a layer that mixes tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MixerConfig {
    /// Attention.
    Attention(AttentionConfig),
    /// Gated short convolution.
    ShortConvolution(ShortConvolutionConfig),
    /// Gated delta net.
    DeltaNet(DeltaNetConfig),
    /// State space.
    StateSpace(StateSpaceConfig),
}

impl MixerConfig {
    /// The attention, if this is one.
    pub fn attention(&self) -> Option<&AttentionConfig> {
        match self {
            Self::Attention(attention) => Some(attention),
            Self::ShortConvolution(_) | Self::DeltaNet(_) | Self::StateSpace(_) => None,
        }
    }

    /// Lengths of the states in floats: the last inputs of a convolution, then the matrices of a delta net or a state
    /// space.
    pub fn state_lens(&self) -> Vec<u32> {
        match self {
            Self::Attention(_) => Vec::new(),
            Self::ShortConvolution(ShortConvolutionConfig { channels, taps }) => vec![(taps - 1) * channels],
            Self::DeltaNet(net) => {
                vec![(net.taps - 1) * net.channels(), net.value_heads * net.head_dim * net.head_dim]
            }
            Self::StateSpace(space) => {
                vec![(space.taps - 1) * space.channels(), space.inner_len() * space.state_len]
            }
        }
    }

    /// Rows of the input projection. With latent attention also room for what is attended to.
    pub fn projection_rows(&self) -> u32 {
        match self {
            Self::Attention(attention) => match attention.latent {
                Some(_) => attention.query_rows().max(attention.heads.attended_len()),
                None => attention.qkv_rows(),
            },
            Self::ShortConvolution(convolution) => 3 * convolution.channels,
            Self::DeltaNet(net) => net.projection_rows(),
            Self::StateSpace(space) => space.projection_rows(),
        }
    }

    /// Width between the projection and the mixer: queries, or the output of a convolution.
    pub fn inner_len(&self) -> u32 {
        match self {
            Self::Attention(attention) => attention.heads.query_len(),
            Self::ShortConvolution(convolution) => convolution.channels,
            Self::DeltaNet(net) => net.channels(),
            Self::StateSpace(space) => space.channels(),
        }
    }

    /// Width of the input of the output projection. With latent attention also room for compressed queries and keys.
    pub fn output_len(&self) -> u32 {
        match self {
            Self::Attention(attention) => match attention.latent {
                Some(latent) => attention.output_len().max(attention.key_len()).max(latent.query_rank.unwrap_or(0)),
                None => attention.output_len(),
            },
            Self::ShortConvolution(convolution) => convolution.channels,
            Self::DeltaNet(net) => net.value_len(),
            Self::StateSpace(space) => space.inner_len(),
        }
    }
}

impl AttentionConfig {
    fn checks(&self, checks: &mut Vec<Check>) {
        let HeadShape { heads, kv_heads, head_dim, value_dim, rope_dim, .. } = self.heads;
        let output_dim = self.latent.map_or(value_dim, |latent| latent.value_dim);
        checks.extend([
            ("key heads", kv_heads, 1, heads, 1),
            ("heads", heads, 1, 1024, kv_heads.max(1)),
            ("the head size", head_dim, 8, MAX_HEAD_DIM, 8),
            ("the size of a value", value_dim, 8, MAX_VALUE_DIM, 8),
            ("the queries' width", heads.saturating_mul(head_dim), 8, MAX_WIDTH, 8),
            ("the attention's width", heads.saturating_mul(output_dim), 32, MAX_WIDTH, 32),
            ("the rotated part of a head", rope_dim, 2, head_dim, 2),
        ]);
        if self.is_gated {
            checks.push(("the size of a value that is gated", value_dim, head_dim, head_dim, 1));
        }
        if let Some(LatentConfig { query_rank, key_dim, .. }) = self.latent {
            checks.extend([
                ("the rank of queries", query_rank.unwrap_or(32), 32, MAX_WIDTH, 32),
                ("the rank of keys and values", value_dim, 32, MAX_VALUE_DIM, 32),
                ("the part of a key without position", key_dim, 32, MAX_HEAD_DIM, 32),
            ]);
        }
    }
}

impl MixerConfig {
    pub(super) fn checks(&self, checks: &mut Vec<Check>) {
        match *self {
            Self::Attention(attention) => attention.checks(checks),
            Self::ShortConvolution(ShortConvolutionConfig { channels, taps }) => {
                checks.extend([
                    ("the convolution's width", channels, 32, MAX_WIDTH, 32),
                    ("the convolution's length", taps, 2, MAX_TAPS, 1),
                ]);
            }
            Self::DeltaNet(DeltaNetConfig { key_heads, value_heads, head_dim, taps, .. }) => {
                checks.extend([
                    ("key heads", key_heads, 1, 1024, 1),
                    ("value heads", value_heads, 1, 1024, key_heads.max(1)),
                    ("the state size", head_dim, 16, MAX_STATE_DIM, 16),
                    ("the values' width", value_heads.saturating_mul(head_dim), 32, MAX_WIDTH, 32),
                    ("the convolution's length", taps, 2, MAX_TAPS, 1),
                ]);
            }
            Self::StateSpace(StateSpaceConfig { heads, head_dim, groups, state_len, taps }) => {
                checks.extend([
                    ("the state's groups", groups, 1, 1024, 1),
                    ("the state's heads", heads, 1, 1024, groups.max(1)),
                    ("the size of the state's heads", head_dim, 16, MAX_STATE_DIM, 16),
                    ("the state size", state_len, 16, MAX_STATE_DIM, 16),
                    ("the heads' width", heads.saturating_mul(head_dim), 32, MAX_WIDTH, 32),
                    ("the convolution's length", taps, 2, MAX_TAPS, 1),
                ]);
            }
        }
    }
}

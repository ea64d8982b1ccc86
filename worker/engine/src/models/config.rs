//! Hyperparameters of generative models.

use super::cache::CacheFormat;
use super::family::{Activation, HeadNorm, Scoring};
use super::heads::HeadShape;
use super::rope::RopeConfig;
use crate::error::{EngineError, Result};

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

/// Attention that becomes sharper with the position: queries are multiplied by `1 + scale ln(1 + floor(position / step))`
/// (Meta 2025, Llama 4's "temperature tuning").
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionTemperature {
    /// Factor of the logarithm.
    pub scale: f32,
    /// Number of positions with the same factor.
    pub step: u32,
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
}

impl AttentionConfig {
    /// Width of the output.
    pub fn output_len(&self) -> u32 {
        self.heads.heads * self.heads.head_dim
    }

    /// Rows of the query projection, including gates.
    pub fn query_rows(&self) -> u32 {
        if self.is_gated { 2 * self.output_len() } else { self.output_len() }
    }

    /// Elements of a token's keys, and of its values.
    pub fn kv_len(&self) -> u32 {
        self.heads.kv_heads * self.heads.head_dim
    }

    /// Rows of the query, key and value projections in total.
    pub fn qkv_rows(&self) -> u32 {
        self.query_rows() + 2 * self.kv_len()
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

    /// Rows of the input projection.
    pub fn projection_rows(&self) -> u32 {
        match self {
            Self::Attention(attention) => attention.qkv_rows(),
            Self::ShortConvolution(convolution) => 3 * convolution.channels,
            Self::DeltaNet(net) => net.projection_rows(),
            Self::StateSpace(space) => space.projection_rows(),
        }
    }

    /// Width between the projection and the mixer: queries, or the output of a convolution.
    pub fn inner_len(&self) -> u32 {
        match self {
            Self::Attention(attention) => attention.output_len(),
            Self::ShortConvolution(convolution) => convolution.channels,
            Self::DeltaNet(net) => net.channels(),
            Self::StateSpace(space) => space.channels(),
        }
    }

    /// Width of the input of the output projection.
    pub fn output_len(&self) -> u32 {
        match self {
            Self::Attention(attention) => attention.output_len(),
            Self::ShortConvolution(convolution) => convolution.channels,
            Self::DeltaNet(net) => net.value_len(),
            Self::StateSpace(space) => space.inner_len(),
        }
    }
}

/// The feed-forward part of a layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FeedForwardConfig {
    /// One for all tokens, of this width.
    Dense(u32),
    /// A mixture of experts.
    Experts(ExpertConfig),
}

impl FeedForwardConfig {
    /// Width of the widest hidden layer.
    pub fn hidden_len(&self) -> u32 {
        match self {
            Self::Dense(len) => *len,
            Self::Experts(experts) => experts.feed_forward_len.max(experts.shared_len.unwrap_or(0)),
        }
    }

    /// Number of activations per token between the two halves.
    pub fn activated_len(&self) -> u32 {
        match self {
            Self::Dense(len) => *len,
            Self::Experts(experts) => (experts.used * experts.feed_forward_len).max(experts.shared_len.unwrap_or(0)),
        }
    }

    /// Number of results per token: one, or one per expert used.
    pub fn slots(&self) -> u32 {
        match self {
            Self::Dense(_) => 1,
            Self::Experts(experts) => experts.used,
        }
    }

    /// Whether all tokens share an expert beside those chosen.
    pub fn has_shared_expert(&self) -> bool {
        matches!(self, Self::Experts(ExpertConfig { shared_len: Some(_), .. }))
    }

    /// Number of experts to choose from.
    pub fn expert_count(&self) -> u32 {
        match self {
            Self::Dense(_) => 0,
            Self::Experts(experts) => experts.count,
        }
    }
}

/// A layer: a mixer, then a feed-forward part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerConfig {
    /// Mixes tokens.
    pub mixer: MixerConfig,
    /// Processes each token separately.
    pub feed_forward: FeedForwardConfig,
}

/// A mixture of experts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpertConfig {
    /// Number of experts in a layer.
    pub count: u32,
    /// Number of experts used per token.
    pub used: u32,
    /// Width of an expert's hidden layer.
    pub feed_forward_len: u32,
    /// How scores become weights.
    pub scoring: Scoring,
    /// The weights of the chosen experts are normalised to sum to one, before they are scaled.
    pub normalise: bool,
    /// Factor of the weights of the chosen experts.
    pub weight_scale: f32,
    /// Width of the hidden layer of the expert that all tokens share, if there is one.
    pub shared_len: Option<u32>,
}

impl ExpertConfig {
    /// Number of outputs per token that are added up: one for each expert used, the shared one last.
    pub fn outputs(&self) -> u32 {
        self.used + u32::from(self.shared_len.is_some())
    }
}

/// Hyperparameters of a generative model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// Human-readable name, from `general.name`.
    pub name: String,
    /// The model family, `general.architecture`.
    pub architecture: &'static str,
    /// The layers, in order.
    pub layers: Vec<LayerConfig>,
    /// Number of layers at the end of the file for multi-token prediction. They are ignored.
    pub drafting_layers: u32,
    /// Width of the hidden state.
    pub embedding_len: u32,
    /// Number of tokens in the vocabulary.
    pub vocab: u32,
    /// Context length that the model was trained with.
    pub trained_context: u32,
    /// Format of the KV cache.
    pub cache: CacheFormat,
    /// Elements per head that RoPE rotates, in all layers that have it.
    pub rope_dim: u32,
    /// RoPE.
    pub rope: RopeConfig,
    /// RoPE of layers with a window.
    pub window_rope: RopeConfig,
    /// Epsilon of the RMS norms.
    pub norm_eps: f32,
    /// Norms before mixer and feed-forward part.
    pub pre_norm: bool,
    /// Norms after mixer and feed-forward part.
    pub post_norm: bool,
    /// Name of the norm before a feed-forward part, without layer prefix and `.weight`.
    pub feed_forward_norm: &'static str,
    /// Name of the norm before the output head, without `.weight`.
    pub output_norm: &'static str,
    /// Norms of queries and keys.
    pub head_norm: HeadNorm,
    /// Activation function of the feed-forward part.
    pub activation: Activation,
    /// Factor of the embedding.
    pub embedding_scale: f32,
    /// Factor of what a layer adds to the hidden state.
    pub residual_scale: f32,
    /// Factor of the dot products of queries and keys.
    pub attention_scale: f32,
    /// The tokens of a batch attend to each other in both directions. Windows extend as far behind a token as before it.
    pub two_way: bool,
    /// Makes attention sharper in long contexts.
    pub attention_temperature: Option<AttentionTemperature>,
    /// Soft cap of attention scores: they become `cap * tanh(score / cap)`.
    pub attention_softcap: Option<f32>,
    /// Factor of the logits.
    pub logit_scale: f32,
    /// Soft cap of logits: they become `cap * tanh(logit / cap)`.
    pub logit_softcap: Option<f32>,
}

/// A range check: name, value, minimum, maximum, and what the value must be a multiple of.
pub(super) type Check = (&'static str, u32, u32, u32, u32);

impl MixerConfig {
    fn checks(&self, checks: &mut Vec<Check>) {
        match *self {
            Self::Attention(AttentionConfig {
                heads: HeadShape { heads, kv_heads, head_dim, rope_dim, .. }, ..
            }) => {
                checks.extend([
                    ("key heads", kv_heads, 1, heads, 1),
                    ("heads", heads, 1, 1024, kv_heads.max(1)),
                    ("the head size", head_dim, 8, MAX_HEAD_DIM, 8),
                    ("the attention's width", heads.saturating_mul(head_dim), 32, MAX_WIDTH, 32),
                    ("the rotated part of a head", rope_dim, 2, head_dim, 2),
                ]);
            }
            Self::ShortConvolution(ShortConvolutionConfig { channels, taps }) => {
                checks.extend([
                    ("the convolution's width", channels, 32, MAX_WIDTH, 32),
                    ("the convolution's length", taps, 2, MAX_TAPS, 1),
                ]);
            }
            Self::DeltaNet(DeltaNetConfig { key_heads, value_heads, head_dim, taps }) => {
                checks.extend([
                    ("key heads", key_heads, 1, 1024, 1),
                    ("value heads", value_heads, 1, 1024, key_heads.max(1)),
                    ("the state size", head_dim, 16, MAX_HEAD_DIM, 16),
                    ("the values' width", value_heads.saturating_mul(head_dim), 32, MAX_WIDTH, 32),
                    ("the convolution's length", taps, 2, MAX_TAPS, 1),
                ]);
            }
            Self::StateSpace(StateSpaceConfig { heads, head_dim, groups, state_len, taps }) => {
                checks.extend([
                    ("the state's groups", groups, 1, 1024, 1),
                    ("the state's heads", heads, 1, 1024, groups.max(1)),
                    ("the size of the state's heads", head_dim, 16, MAX_HEAD_DIM, 16),
                    ("the state size", state_len, 16, MAX_HEAD_DIM, 16),
                    ("the heads' width", heads.saturating_mul(head_dim), 32, MAX_WIDTH, 32),
                    ("the convolution's length", taps, 2, MAX_TAPS, 1),
                ]);
            }
        }
    }
}

impl FeedForwardConfig {
    fn checks(&self, checks: &mut Vec<Check>) {
        match *self {
            Self::Dense(len) => checks.push(("the feed-forward length", len, 32, MAX_WIDTH, 32)),
            Self::Experts(experts) => checks.extend([
                ("the experts", experts.count, 1, MAX_EXPERTS, 1),
                ("the experts of a token", experts.used, 1, experts.count.min(64), 1),
                ("the feed-forward length of an expert", experts.feed_forward_len, 32, MAX_WIDTH, 32),
                ("the feed-forward length of the shared expert", experts.shared_len.unwrap_or(32), 32, MAX_WIDTH, 32),
            ]),
        }
    }
}

/// Limits on hyperparameters, far above any published model, so that damaged files cannot cause large allocations.
const MAX_WIDTH: u32 = 1 << 18;
pub(super) const MAX_VOCAB: u64 = 1 << 21;
const MAX_HEAD_DIM: u32 = 256;
const MAX_EXPERTS: u32 = 512;
const MAX_TAPS: u32 = 16;

impl ModelConfig {
    /// The attention layers.
    pub fn attentions(&self) -> impl Iterator<Item = &AttentionConfig> {
        self.layers.iter().filter_map(|layer| layer.mixer.attention())
    }

    /// The maximum of `number` over all layers.
    pub(crate) fn largest(&self, number: impl Fn(&LayerConfig) -> u32) -> u32 {
        self.layers.iter().map(number).max().unwrap_or_default()
    }

    /// Number of positions after its own that a token attends to in a window of both directions; `None` means all.
    pub(crate) fn ahead(&self, attention: &AttentionConfig) -> Option<u32> {
        attention.window.filter(|_| self.two_way).map(|window| window - 1)
    }

    /// Size of a layer's KV cache per token in bytes.
    pub(crate) fn layer_kv_bytes_per_token(&self, attention: &AttentionConfig) -> u64 {
        u64::from(self.cache.row_words(attention.kv_len())) * 2 * 4
    }

    /// Size of the KV cache per token in bytes, over all layers.
    pub fn kv_bytes_per_token(&self) -> u64 {
        self.attentions().map(|attention| self.layer_kv_bytes_per_token(attention)).sum()
    }

    /// Size of the largest layer's KV cache per token in bytes.
    pub fn max_layer_kv_bytes_per_token(&self) -> u64 {
        self.attentions().map(|attention| self.layer_kv_bytes_per_token(attention)).max().unwrap_or_default()
    }

    /// Size of the states of recurrent layers in bytes.
    pub fn state_bytes(&self) -> u64 {
        self.layers.iter().flat_map(|layer| layer.mixer.state_lens()).map(|len| u64::from(len) * 4).sum()
    }

    /// Whether a layer's queries, keys and values take a dispatch between projection and attention. That is because a
    /// norm or a scale depends on many rows of the product, or because gates lie between the queries.
    pub(crate) fn has_head_dispatch(&self, attention: &AttentionConfig) -> bool {
        self.head_norm != HeadNorm::None || self.cache != CacheFormat::F16 || attention.is_gated
    }

    pub(super) fn check(&self) -> Result<()> {
        let mut checks = vec![
            ("the embedding length", self.embedding_len, 32, MAX_WIDTH, 32),
            ("the vocabulary", self.vocab, 1, MAX_VOCAB as u32, 1),
            ("the context length", self.trained_context, 1, u32::MAX, 1),
        ];
        if self.attentions().next().is_none() {
            return Err(EngineError::UnsupportedArchitecture(format!("{} without attention", self.architecture)));
        }
        for layer in &self.layers {
            layer.mixer.checks(&mut checks);
            layer.feed_forward.checks(&mut checks);
        }
        check_ranges(&checks)?;
        let weight_scales = self.layers.iter().filter_map(|layer| match layer.feed_forward {
            FeedForwardConfig::Experts(experts) => {
                Some(("the scale of the experts' weights", experts.weight_scale, f32::MIN))
            }
            FeedForwardConfig::Dense(_) => None,
        });
        let mut floats = vec![
            ("the epsilon of the norms", self.norm_eps, 0.0),
            ("the embedding scale", self.embedding_scale, f32::MIN),
            ("the residual scale", self.residual_scale, f32::MIN),
            ("the attention scale", self.attention_scale, f32::MIN),
            ("the logit scale", self.logit_scale, f32::MIN),
            ("the soft cap of the attention scores", self.attention_softcap.unwrap_or(1.0), 1e-6),
            ("the soft cap of the logits", self.logit_softcap.unwrap_or(1.0), 1e-6),
        ];
        floats.extend(weight_scales);
        if let Some(AttentionTemperature { scale, .. }) = self.attention_temperature {
            floats.push(("the scale of the attention's temperature", scale, 0.0));
        }
        match floats.iter().find(|(_, value, min)| !(value.is_finite() && value >= min)) {
            Some((what, value, _)) => Err(EngineError::malformed(format!("{what} is {value}"))),
            None => Ok(()),
        }
    }
}

/// Checks that numbers are in range.
pub(super) fn check_ranges(checks: &[Check]) -> Result<()> {
    for (what, value, min, max, multiple) in checks {
        if value < min || value > max || !value.is_multiple_of(*multiple) {
            return Err(EngineError::malformed(format!(
                "{what}: {value}, but only multiples of {multiple} from {min} to {max} are supported"
            )));
        }
    }
    Ok(())
}

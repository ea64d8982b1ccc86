//! Hyperparameters from a file's metadata.

use super::cache::CacheFormat;
use super::family::{Activation, FAMILIES, HeadNorm};
use super::reader::Reader;
use super::rope::RopeConfig;
use crate::error::{EngineError, Result};
use crate::gguf::Gguf;

/// Shapes of attention heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadShape {
    /// Query heads.
    pub heads: u32,
    /// Key and value heads; each serves `heads / kv_heads` query heads (GQA).
    pub kv_heads: u32,
    /// Elements of a head.
    pub head_dim: u32,
    /// Elements of a head that RoPE turns.
    pub rope_dim: u32,
    /// RoPE pairs elements half of `rope_dim` apart; otherwise neighbours.
    pub rope_half: bool,
}

/// How positions enter a layer of attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerRope {
    /// Not at all.
    None,
    /// RoPE as the model has it.
    Main,
    /// RoPE as layers with a window have it.
    Window,
}

/// Attention over the keys and values of the tokens before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionConfig {
    /// Heads.
    pub heads: HeadShape,
    /// Positions that a token sees, itself included; all if absent.
    pub window: Option<u32>,
    /// RoPE.
    pub rope: LayerRope,
    /// The query projection also gives a gate for each element of the output.
    pub is_gated: bool,
}

impl AttentionConfig {
    /// Width of the output.
    pub fn output_len(&self) -> u32 {
        self.heads.heads * self.heads.head_dim
    }

    /// Rows of the query projection, gates included.
    pub fn query_rows(&self) -> u32 {
        if self.is_gated { 2 * self.output_len() } else { self.output_len() }
    }

    /// Width of the keys, and of the values, of a token.
    pub fn kv_len(&self) -> u32 {
        self.heads.kv_heads * self.heads.head_dim
    }

    /// Rows of the query, key and value projections together.
    pub fn qkv_rows(&self) -> u32 {
        self.query_rows() + 2 * self.kv_len()
    }

    /// The heads with the part that RoPE turns in this layer.
    pub fn rotated_heads(&self) -> HeadShape {
        match self.rope {
            LayerRope::None => HeadShape { rope_dim: 0, ..self.heads },
            LayerRope::Main | LayerRope::Window => self.heads,
        }
    }
}

/// A gated short convolution over the tokens before (LFM2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortConvolutionConfig {
    /// Channels, each with weights of its own.
    pub channels: u32,
    /// Tokens that a result depends on, its own included.
    pub taps: u32,
}

/// A gated delta net: Yang et al. 2024, "Gated Delta Networks".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeltaNetConfig {
    /// Heads of queries and keys; each serves `value_heads / key_heads` value heads.
    pub key_heads: u32,
    /// Heads of values, each with a state of `head_dim` times `head_dim`.
    pub value_heads: u32,
    /// Elements of a head.
    pub head_dim: u32,
    /// Tokens that the convolution before it covers, the result's own included.
    pub taps: u32,
}

impl DeltaNetConfig {
    /// Queries, keys and values of a token, which go through a convolution.
    pub fn channels(&self) -> u32 {
        (2 * self.key_heads + self.value_heads) * self.head_dim
    }

    /// Values of a token.
    pub fn value_len(&self) -> u32 {
        self.value_heads * self.head_dim
    }

    /// Where the gates of the output stand in the projection of a token, and the factors of the update and of the decay.
    pub fn gate_at(&self) -> u32 {
        self.channels()
    }

    /// Where the update's factors stand in the projection, one a value head.
    pub fn beta_at(&self) -> u32 {
        self.gate_at() + self.value_len()
    }

    /// Where the decay's exponents stand in the projection, one a value head.
    pub fn alpha_at(&self) -> u32 {
        self.beta_at() + self.value_heads
    }

    /// Rows of the projection.
    pub fn projection_rows(&self) -> u32 {
        self.alpha_at() + self.value_heads
    }
}

/// What mixes tokens in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MixerConfig {
    /// Attention.
    Attention(AttentionConfig),
    /// Gated short convolution.
    ShortConvolution(ShortConvolutionConfig),
    /// Gated delta net.
    DeltaNet(DeltaNetConfig),
}

impl MixerConfig {
    /// Attention, if this is it.
    pub fn attention(&self) -> Option<&AttentionConfig> {
        match self {
            Self::Attention(attention) => Some(attention),
            Self::ShortConvolution(_) | Self::DeltaNet(_) => None,
        }
    }

    /// Lengths of the states, in floats: of inputs of a convolution, and of what is remembered in matrices.
    pub fn state_lens(&self) -> Vec<u32> {
        match self {
            Self::Attention(_) => Vec::new(),
            Self::ShortConvolution(ShortConvolutionConfig { channels, taps }) => vec![(taps - 1) * channels],
            Self::DeltaNet(net) => {
                vec![(net.taps - 1) * net.channels(), net.value_heads * net.head_dim * net.head_dim]
            }
        }
    }

    /// Width of the projection of its input.
    pub fn projection_rows(&self) -> u32 {
        match self {
            Self::Attention(attention) => attention.qkv_rows(),
            Self::ShortConvolution(convolution) => 3 * convolution.channels,
            Self::DeltaNet(net) => net.projection_rows(),
        }
    }

    /// Width between projection and mixing: queries, or what a convolution gives.
    pub fn inner_len(&self) -> u32 {
        match self {
            Self::Attention(attention) => attention.output_len(),
            Self::ShortConvolution(convolution) => convolution.channels,
            Self::DeltaNet(net) => net.channels(),
        }
    }

    /// Width of what it gives to the output projection.
    pub fn output_len(&self) -> u32 {
        match self {
            Self::Attention(attention) => attention.output_len(),
            Self::ShortConvolution(convolution) => convolution.channels,
            Self::DeltaNet(net) => net.value_len(),
        }
    }
}

/// The feed-forward part of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedForwardConfig {
    /// One for all tokens, of this width.
    Dense(u32),
    /// A mixture of experts.
    Experts(ExpertConfig),
}

impl FeedForwardConfig {
    /// Width between its halves.
    pub fn hidden_len(&self) -> u32 {
        match self {
            Self::Dense(len) => *len,
            Self::Experts(experts) => experts.feed_forward_len,
        }
    }

    /// Results of a token: one, or one of each expert that it takes.
    pub fn slots(&self) -> u32 {
        match self {
            Self::Dense(_) => 1,
            Self::Experts(experts) => experts.used,
        }
    }

    /// Experts to choose from.
    pub fn expert_count(&self) -> u32 {
        match self {
            Self::Dense(_) => 0,
            Self::Experts(experts) => experts.count,
        }
    }
}

/// A layer: what mixes tokens, then what works on each token alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerConfig {
    /// Mixes tokens.
    pub mixer: MixerConfig,
    /// Works on each token.
    pub feed_forward: FeedForwardConfig,
}

/// A mixture of experts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpertConfig {
    /// Experts in a layer.
    pub count: u32,
    /// Experts that a token takes.
    pub used: u32,
    /// Width of an expert's feed-forward layer.
    pub feed_forward_len: u32,
    /// The weights of the chosen experts are made to sum to one.
    pub normalise: bool,
}

/// Hyperparameters of a decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// Name for people, from `general.name`.
    pub name: String,
    /// The family, `general.architecture`.
    pub architecture: &'static str,
    /// Layers, in order.
    pub layers: Vec<LayerConfig>,
    /// Layers at the file's end that only guess tokens ahead. They are left out.
    pub drafting_layers: u32,
    /// Width of the hidden state.
    pub embedding_len: u32,
    /// Tokens in the vocabulary.
    pub vocab: u32,
    /// Tokens the model was trained to see at once.
    pub trained_context: u32,
    /// How keys and values are kept.
    pub cache: CacheFormat,
    /// Elements of a head that RoPE turns, in all layers that have it.
    pub rope_dim: u32,
    /// RoPE.
    pub rope: RopeConfig,
    /// RoPE of layers with a window.
    pub window_rope: RopeConfig,
    /// Epsilon of the RMS norms.
    pub norm_eps: f32,
    /// Norms before attention and feed-forward layer.
    pub pre_norm: bool,
    /// Norms after attention and feed-forward layer.
    pub post_norm: bool,
    /// The tensor of the norm before a feed-forward part, without layer and `.weight`.
    pub feed_forward_norm: &'static str,
    /// The tensor of the norm before the output head, without `.weight`.
    pub output_norm: &'static str,
    /// Norms of queries and keys.
    pub head_norm: HeadNorm,
    /// Activation of the feed-forward layer.
    pub activation: Activation,
    /// Factor of the embedding.
    pub embedding_scale: f32,
    /// Factor of what a layer adds to the hidden state.
    pub residual_scale: f32,
    /// Factor of the dot products of queries and keys.
    pub attention_scale: f32,
    /// Bound that attention scores approach by tanh.
    pub attention_softcap: Option<f32>,
    /// Factor of the logits.
    pub logit_scale: f32,
    /// Bound that logits approach by tanh.
    pub logit_softcap: Option<f32>,
}

/// A number: what it is, its value, least, most, and what it is a multiple of.
pub(super) type Check = (&'static str, u32, u32, u32, u32);

impl MixerConfig {
    fn checks(&self, checks: &mut Vec<Check>) {
        match *self {
            Self::Attention(AttentionConfig { heads: HeadShape { heads, head_dim, rope_dim, .. }, .. }) => {
                checks.extend([
                    ("heads", heads, 1, 1024, 1),
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
            ]),
        }
    }
}

/// Caps on hyperparameters, far above any published model: what a damaged file says must not allocate.
const MAX_WIDTH: u32 = 1 << 18;
pub(super) const MAX_VOCAB: u64 = 1 << 21;
const MAX_HEAD_DIM: u32 = 256;
const MAX_EXPERTS: u32 = 512;
const MAX_TAPS: u32 = 16;

impl ModelConfig {
    /// Reads and checks the hyperparameters.
    ///
    /// # Errors
    /// An unsupported architecture or feature, a missing entry, or values that contradict each other.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self> {
        let architecture = gguf.metadata.require_string("general.architecture")?;
        let family = FAMILIES
            .iter()
            .find(|family| family.name == architecture)
            .ok_or_else(|| EngineError::UnsupportedArchitecture(architecture.to_owned()))?;
        let config = Reader { gguf, family }.read()?;
        config.check()?;
        Ok(config)
    }

    /// The names of the architectures that the engine computes.
    pub fn architectures() -> impl Iterator<Item = &'static str> {
        FAMILIES.iter().map(|family| family.name)
    }

    /// The layers of attention.
    pub fn attentions(&self) -> impl Iterator<Item = &AttentionConfig> {
        self.layers.iter().filter_map(|layer| layer.mixer.attention())
    }

    /// The largest of a number over all layers.
    pub(crate) fn largest(&self, number: impl Fn(&LayerConfig) -> u32) -> u32 {
        self.layers.iter().map(number).max().unwrap_or_default()
    }

    /// Bytes of a layer's KV cache for a token.
    pub(crate) fn layer_kv_bytes_per_token(&self, attention: &AttentionConfig) -> u64 {
        u64::from(self.cache.row_words(attention.kv_len())) * 2 * 4
    }

    /// Bytes of the KV cache for a token, over all layers.
    pub fn kv_bytes_per_token(&self) -> u64 {
        self.attentions().map(|attention| self.layer_kv_bytes_per_token(attention)).sum()
    }

    /// The largest of them.
    pub fn max_layer_kv_bytes_per_token(&self) -> u64 {
        self.attentions().map(|attention| self.layer_kv_bytes_per_token(attention)).max().unwrap_or_default()
    }

    /// Bytes of the states of recurrent layers.
    pub fn state_bytes(&self) -> u64 {
        self.layers.iter().flat_map(|layer| layer.mixer.state_lens()).map(|len| u64::from(len) * 4).sum()
    }

    /// Whether queries, keys and values of a layer take a dispatch between projection and attention: a norm or a scale is of many rows of the
    /// product, and gates stand between them.
    pub(crate) fn has_head_dispatch(&self, attention: &AttentionConfig) -> bool {
        self.head_norm != HeadNorm::None || self.cache != CacheFormat::F16 || attention.is_gated
    }

    fn check(&self) -> Result<()> {
        let mut checks = vec![
            ("the embedding length", self.embedding_len, 32, MAX_WIDTH, 32),
            ("the vocabulary", self.vocab, 1, MAX_VOCAB as u32, 1),
            ("the context length", self.trained_context, 1, u32::MAX, 1),
        ];
        for layer in &self.layers {
            layer.mixer.checks(&mut checks);
            layer.feed_forward.checks(&mut checks);
        }
        check_ranges(&checks)?;
        let floats = [
            ("the epsilon of the norms", self.norm_eps, 0.0),
            ("the factor of the embedding", self.embedding_scale, f32::MIN),
            ("the factor of the residual", self.residual_scale, f32::MIN),
            ("the factor of the attention", self.attention_scale, f32::MIN),
            ("the factor of the logits", self.logit_scale, f32::MIN),
            ("the bound of the attention scores", self.attention_softcap.unwrap_or(1.0), 1e-6),
            ("the bound of the logits", self.logit_softcap.unwrap_or(1.0), 1e-6),
        ];
        match floats.iter().find(|(_, value, min)| !(value.is_finite() && value >= min)) {
            Some((what, value, _)) => Err(EngineError::malformed(format!("{what} is {value}"))),
            None => Ok(()),
        }
    }
}

/// Checks that numbers lie in their ranges.
pub(super) fn check_ranges(checks: &[Check]) -> Result<()> {
    for (what, value, min, max, multiple) in checks {
        if value < min || value > max || !value.is_multiple_of(*multiple) {
            return Err(EngineError::malformed(format!(
                "{what}: {value}, where a multiple of {multiple} from {min} to {max} is supported"
            )));
        }
    }
    Ok(())
}

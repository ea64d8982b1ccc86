//! Hyperparameters of generative models.

use super::cache::CacheFormat;
use super::checks::{Check, MAX_EXPERTS, MAX_VOCAB, MAX_WIDTH, check_ranges};
use super::family::{Activation, HeadNorm, Scoring};
use super::mixer::{AttentionConfig, LayerRope, MixerConfig};
use super::rope::RopeConfig;
use crate::error::{EngineError, Result};

/// Attention that becomes sharper with the position: queries are multiplied by `1 + scale ln(1 + floor(position / step))`
/// (Meta 2025, Llama 4's "temperature tuning").
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionTemperature {
    /// Factor of the logarithm.
    pub scale: f32,
    /// Number of positions with the same factor.
    pub step: u32,
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
    /// The choice is limited to some groups of experts.
    pub groups: Option<ExpertGroups>,
}

/// Groups of experts, of which each token uses the best: those where the two best experts have the largest sum of
/// likelihoods and biases (DeepSeek-AI 2024, "DeepSeek-V3", section 2.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpertGroups {
    /// Number of groups, all of the same size.
    pub count: u32,
    /// Number of groups used per token.
    pub used: u32,
}

impl ExpertConfig {
    /// Number of outputs per token that are added up: one for each expert used, the shared one last.
    pub fn outputs(&self) -> u32 {
        self.used + u32::from(self.shared_len.is_some())
    }
}

/// Hyperparameters of a generative model.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent, and always set by name")]
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
    /// RoPE.
    pub rope: RopeConfig,
    /// RoPE of layers with [`LayerRope::Window`].
    pub window_rope: RopeConfig,
    /// Epsilon of the norms.
    pub norm_eps: f32,
    /// Norms before mixer and feed-forward part.
    pub pre_norm: bool,
    /// Norms after mixer and feed-forward part.
    pub post_norm: bool,
    /// Norms of the hidden state are layer norms without biases, not RMS norms.
    pub centred_norms: bool,
    /// The feed-forward part has the same normalised input as the mixer; both results are added to the hidden state.
    pub parallel: bool,
    /// Name of the norm before a feed-forward part, without layer prefix and `.weight`.
    pub feed_forward_norm: &'static str,
    /// Name of the norm before the output head, without `.weight`.
    pub output_norm: &'static str,
    /// Norms of queries and keys.
    pub head_norm: HeadNorm,
    /// The values of each head are RMS-normalised, without weights.
    pub value_norm: bool,
    /// A layer without a value projection uses that of the keys.
    pub tied_values: bool,
    /// Width of what each layer adds to the hidden state for the token's ID (Gemma 3n's "per-layer embeddings").
    pub layer_input_len: Option<u32>,
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
    /// Number of layers whose results embeddings of pictures are added to (`DeepStack`, Meng et al. 2024): they have a
    /// part for each of these layers.
    pub deepstack_layers: u32,
    /// Makes attention sharper in long contexts.
    pub attention_temperature: Option<AttentionTemperature>,
    /// Soft cap of attention scores: they become `cap * tanh(score / cap)`.
    pub attention_softcap: Option<f32>,
    /// Factor of the logits.
    pub logit_scale: f32,
    /// Soft cap of logits: they become `cap * tanh(logit / cap)`.
    pub logit_softcap: Option<f32>,
}

impl FeedForwardConfig {
    fn checks(&self, checks: &mut Vec<Check>) {
        match *self {
            Self::Dense(len) => checks.push(("the feed-forward length", len, 32, MAX_WIDTH, 32)),
            Self::Experts(experts) => {
                let ExpertGroups { count, used } = experts.groups.unwrap_or(ExpertGroups { count: 1, used: 1 });
                let shared_len = experts.shared_len.unwrap_or(32);
                let choice = (experts.count / count.max(1)).saturating_mul(used);
                checks.extend([
                    ("the experts", experts.count, 1, MAX_EXPERTS, count.max(1)),
                    ("the groups of experts", count, 1, (experts.count / 2).max(1), 1),
                    ("the groups of experts of a token", used, 1, count, 1),
                    ("the experts of a token", experts.used, 1, choice.min(64), 1),
                    ("the feed-forward length of an expert", experts.feed_forward_len, 32, MAX_WIDTH, 32),
                    ("the feed-forward length of the shared expert", shared_len, 32, MAX_WIDTH, 32),
                ]);
            }
        }
    }
}

impl ModelConfig {
    /// The attention layers.
    pub fn attentions(&self) -> impl Iterator<Item = &AttentionConfig> {
        self.layers.iter().filter_map(|layer| layer.mixer.attention())
    }

    /// Elements per head that RoPE rotates in layers of this kind; 0 if there are none.
    pub(crate) fn rope_dim(&self, kind: LayerRope) -> u32 {
        self.attentions().find(|attention| attention.rope == kind).map_or(0, |attention| attention.heads.rope_dim)
    }

    /// Elements of a token's inputs to all layers, see [`ModelConfig::layer_input_len`].
    pub(crate) fn layer_inputs_len(&self) -> u32 {
        self.layer_input_len.unwrap_or(0) * self.layers.len() as u32
    }

    /// The maximum of `number` over all layers.
    pub(crate) fn largest(&self, number: impl Fn(&LayerConfig) -> u32) -> u32 {
        self.layers.iter().map(number).max().unwrap_or_default()
    }

    /// Number of positions after its own that a token attends to in a window of both directions; `None` means all.
    pub(crate) fn ahead(&self, attention: &AttentionConfig) -> Option<u32> {
        attention.window.filter(|_| self.two_way).map(|window| window - 1)
    }

    /// Sizes of a token's keys and of its values in a layer's KV cache, in bytes.
    pub(crate) fn layer_kv_row_bytes(&self, attention: &AttentionConfig) -> [u64; 2] {
        [attention.key_len(), attention.value_len()].map(|len| u64::from(self.cache.row_words(len)) * 4)
    }

    /// Size of a layer's KV cache per token in bytes.
    pub(crate) fn layer_kv_bytes_per_token(&self, attention: &AttentionConfig) -> u64 {
        self.layer_kv_row_bytes(attention).iter().sum()
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
        let has_norms = self.head_norm != HeadNorm::None || self.value_norm;
        has_norms || self.cache != CacheFormat::F16 || attention.is_gated
    }

    /// Whether norms before products take a dispatch of their own: because a mean has to be subtracted, or because two
    /// parts of a layer have the same input.
    pub(crate) fn has_norm_dispatch(&self) -> bool {
        self.centred_norms || self.parallel
    }

    pub(super) fn check(&self) -> Result<()> {
        let layers = self.layers.len() as u32;
        let mut checks = vec![
            ("the layers that embeddings of pictures are added to", self.deepstack_layers, 0, layers, 1),
            ("the embedding length", self.embedding_len, 32, MAX_WIDTH, 32),
            ("the vocabulary", self.vocab, 1, MAX_VOCAB as u32, 1),
            ("the context length", self.trained_context, 1, u32::MAX, 1),
            ("the width of the layers' inputs", self.layer_input_len.unwrap_or(32), 32, MAX_WIDTH / 512, 32),
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

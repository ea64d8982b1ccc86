//! Hyperparameters of generative models.

use super::cache::CacheFormat;
use super::checks::{Check, MAX_EXPERTS, MAX_VOCAB, MAX_WIDTH, check_ranges};
use super::family::{Activation, HeadNorm, Scoring};
use super::mixer::{AttentionConfig, LayerRope, MixerConfig};
use super::rope::RopeConfig;
use crate::error::{EngineError, Result};

/// Limit on hyperparameters, as in `checks.rs`. A kernel's thread holds an element of each vector.
const MAX_STREAMS: u32 = 8;

/// Attention that becomes sharper with the position: queries are multiplied by `1 + scale ln(1 + floor(position / step))`
/// (Meta 2025, Llama 4's "temperature tuning").
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionTemperature {
    /// Factor of the logarithm.
    pub scale: f32,
    /// Number of positions with the same factor.
    pub step: u32,
}

/// Number of tokens that can be taken back in layers with a window: more than an answer computes ahead, and more than a
/// draft.
const REWINDABLE: u32 = 64;

/// The feed-forward part of a layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FeedForwardConfig {
    /// One for all tokens, of this width.
    Dense(u32),
    /// A mixture of experts.
    Experts(ExpertConfig),
}

impl FeedForwardConfig {
    /// Width of each result in a model of this width.
    pub fn output_len(&self, embedding_len: u32) -> u32 {
        match self {
            Self::Dense(_) => embedding_len,
            Self::Experts(experts) => experts.width(embedding_len),
        }
    }

    /// Width of the space in which experts work, if it is not the hidden state's.
    pub fn latent_len(&self) -> Option<u32> {
        match self {
            Self::Dense(_) => None,
            Self::Experts(experts) => experts.latent_len,
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

/// A layer: mixers, then a feed-forward part. Either may be missing.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerConfig {
    /// Mix tokens: at most one attention and one mixer with a state. They have the same input, and their outputs add up.
    pub mixers: Vec<MixerConfig>,
    /// Processes each token separately.
    pub feed_forward: Option<FeedForwardConfig>,
    /// Gates of the feed-forward part count only where they exceed the mean by so many standard deviations; the excess
    /// remains.
    pub gate_cutoff: Option<f32>,
}

impl LayerConfig {
    /// The attention, if there is one.
    pub fn attention(&self) -> Option<&AttentionConfig> {
        self.mixers.iter().find_map(MixerConfig::attention)
    }

    /// Lengths of the states in floats.
    pub fn state_lens(&self) -> impl Iterator<Item = u32> {
        self.mixers.iter().flat_map(MixerConfig::state_lens)
    }
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
    /// Width of the space in which the experts work, except for the shared one, if it is not the hidden state's.
    pub latent_len: Option<u32>,
    /// The choice is limited to some groups of experts.
    pub groups: Option<ExpertGroups>,
    /// Router, experts and the shared expert each have norms of their own (Gemma 4).
    pub has_norms: bool,
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
    /// Width of the experts' inputs and outputs in a model of this width.
    pub fn width(&self, embedding_len: u32) -> u32 {
        self.latent_len.unwrap_or(embedding_len)
    }

    /// Whether the output of the shared expert, if there is one, is added up with those of the others.
    pub fn sums_shared(&self) -> bool {
        self.shared_len.is_some() && self.latent_len.is_none() && !self.has_norms
    }

    /// Number of outputs per token that are added up: one for each expert used, the shared one last.
    pub fn outputs(&self) -> u32 {
        self.used + u32::from(self.sums_shared())
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
    /// Number of sequences that there is to be memory for, each with a context of its own.
    pub sequences: u32,
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
    /// Number of vectors that the hidden state consists of, if there are several. Layers compute the first, and predict
    /// and correct the others (Baykal et al. 2023, "Alternating Updates for Efficient Transformers").
    pub streams: Option<u32>,
    /// Rank of a projection beside the mixers, if there is one. With it, the mixers' input and its projection are added
    /// to the hidden state after the mixers, and the sum is divided by the root of two (Menghani et al. 2024, "LAUREL").
    pub low_rank: Option<u32>,
    /// Activation function of the feed-forward part.
    pub activation: Activation,
    /// Feed-forward parts have gates, and the activation function applies to them.
    pub feed_forward_gates: bool,
    /// Factor of the embedding.
    pub embedding_scale: f32,
    /// Factor of what a layer adds to the hidden state.
    pub residual_scale: f32,
    /// Factor of the dot products of queries and keys.
    pub attention_scale: f32,
    /// The tokens of a batch attend to each other in both directions. Windows extend as far behind a token as before it.
    pub two_way: bool,
    /// The most embeddings of a picture, if they attend to each other: they are computed at once.
    pub picture_len: u32,
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
                let (shared_len, latent_len) = (experts.shared_len.unwrap_or(32), experts.latent_len.unwrap_or(32));
                let choice = (experts.count / count.max(1)).saturating_mul(used);
                checks.extend([
                    ("the experts", experts.count, 1, MAX_EXPERTS, count.max(1)),
                    ("the groups of experts", count, 1, (experts.count / 2).max(1), 1),
                    ("the groups of experts of a token", used, 1, count, 1),
                    ("the experts of a token", experts.used, 1, choice.min(64), 1),
                    ("the feed-forward length of an expert", experts.feed_forward_len, 32, MAX_WIDTH, 32),
                    ("the feed-forward length of the shared expert", shared_len, 32, MAX_WIDTH, 32),
                    ("the width of the experts", latent_len, 32, MAX_WIDTH, 32),
                ]);
            }
        }
    }
}

impl ModelConfig {
    /// The attention layers.
    pub fn attentions(&self) -> impl Iterator<Item = &AttentionConfig> {
        self.layers.iter().filter_map(LayerConfig::attention)
    }

    /// The mixers of all layers.
    pub fn mixers(&self) -> impl Iterator<Item = &MixerConfig> {
        self.layers.iter().flat_map(|layer| &layer.mixers)
    }

    /// The feed-forward parts of all layers.
    pub fn feed_forwards(&self) -> impl Iterator<Item = &FeedForwardConfig> {
        self.layers.iter().filter_map(|layer| layer.feed_forward.as_ref())
    }

    /// Elements per head that RoPE rotates in layers of this kind; 0 if there are none.
    pub(crate) fn rope_dim(&self, kind: LayerRope) -> u32 {
        self.attentions().find(|attention| attention.rope == kind).map_or(0, |attention| attention.heads.rope_dim)
    }

    /// Elements of a token's inputs to all layers, see [`ModelConfig::layer_input_len`].
    pub(crate) fn layer_inputs_len(&self) -> u32 {
        self.layer_input_len.unwrap_or(0) * self.layers.len() as u32
    }

    /// Elements of a token's hidden state beside the first vector.
    pub(crate) fn other_streams_len(&self) -> u32 {
        self.streams.map_or(0, |count| (count - 1) * self.embedding_len)
    }

    /// Number of positions after its own that a token attends to in a window of both directions; `None` means all.
    pub(crate) fn ahead(&self, attention: &AttentionConfig) -> Option<u32> {
        attention.window.filter(|_| self.two_way).map(|window| window - 1)
    }

    /// Number of positions whose rows a layer keeps if at most `batch` of `context` are computed at once. With a window
    /// that is enough for each token of a batch, and for tokens that are taken back.
    pub(crate) fn kept_positions(&self, attention: &AttentionConfig, context: u32, batch: u32) -> u32 {
        // Where tokens attend to each other in both directions, a batch has the whole text.
        match attention.window.filter(|_| !self.two_way) {
            Some(window) => window.saturating_add(batch.max(REWINDABLE)).min(context),
            None => context,
        }
    }

    /// Sizes of a token's keys and of its values in a layer's KV cache, in bytes.
    pub(crate) fn layer_kv_row_bytes(&self, attention: &AttentionConfig) -> [u64; 2] {
        [attention.key_len(), attention.value_len()].map(|len| u64::from(self.cache.row_words(len)) * 4)
    }

    /// Size of a layer's KV cache per token in bytes.
    pub(crate) fn layer_kv_bytes_per_token(&self, attention: &AttentionConfig) -> u64 {
        self.layer_kv_row_bytes(attention).iter().sum()
    }

    /// Size of the KV cache per token in bytes, over all layers; those with a window keep only the last tokens.
    pub fn kv_bytes_per_token(&self) -> u64 {
        self.attentions().map(|attention| self.layer_kv_bytes_per_token(attention)).sum()
    }

    /// Size of the states of recurrent layers in bytes.
    pub fn state_bytes(&self) -> u64 {
        self.layers.iter().flat_map(LayerConfig::state_lens).map(|len| u64::from(len) * 4).sum()
    }

    /// Whether a layer's queries, keys and values take a dispatch between projection and attention. That is because a
    /// norm or a scale depends on many rows of the product, or because gates lie between the queries.
    pub(crate) fn has_head_dispatch(&self, attention: &AttentionConfig) -> bool {
        let has_norms = self.head_norm != HeadNorm::None || self.value_norm;
        has_norms || self.cache == CacheFormat::Q8 || attention.is_gated
    }

    /// Whether norms before products take a dispatch of their own: because a mean has to be subtracted, or because two
    /// parts of a layer have the same input.
    pub(crate) fn has_norm_dispatch(&self) -> bool {
        self.centred_norms || self.parallel || self.low_rank.is_some()
    }

    pub(super) fn check(&self) -> Result<()> {
        let layers = self.layers.len() as u32;
        let mut checks = vec![
            ("the layers that embeddings of pictures are added to", self.deepstack_layers, 0, layers, 1),
            ("the embedding length", self.embedding_len, 32, MAX_WIDTH, 32),
            ("the vocabulary", self.vocab, 1, MAX_VOCAB as u32, 1),
            ("the context length", self.trained_context, 1, u32::MAX, 1),
            ("the width of the layers' inputs", self.layer_input_len.unwrap_or(32), 32, MAX_WIDTH / 512, 32),
            ("the vectors of the hidden state", self.streams.unwrap_or(2), 2, MAX_STREAMS, 1),
            ("the rank beside the mixers", self.low_rank.unwrap_or(32), 32, MAX_WIDTH, 32),
        ];
        self.mixers().for_each(|mixer| mixer.checks(&mut checks));
        self.feed_forwards().for_each(|part| part.checks(&mut checks));
        check_ranges(&checks)?;
        let weight_scales = self.feed_forwards().filter_map(|part| match part {
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
        let cutoffs = self.layers.iter().filter_map(|layer| layer.gate_cutoff);
        floats.extend(cutoffs.map(|cutoff| ("the cutoff of gates", cutoff, f32::MIN)));
        if let Some(AttentionTemperature { scale, .. }) = self.attention_temperature {
            floats.push(("the scale of the attention's temperature", scale, 0.0));
        }
        match floats.iter().find(|(_, value, min)| !(value.is_finite() && value >= min)) {
            Some((what, value, _)) => Err(EngineError::malformed(format!("{what} is {value}"))),
            None => Ok(()),
        }
    }
}

//! Encoders: BERT (Devlin et al. 2018) and its descendants, which differ as `FAMILIES` says.

use super::checks::{Check, check_ranges};
use super::config::ExpertConfig;
use super::entries::{Named, Reader};
use super::family::{Activation, Scoring};
use super::head_planner::HeadStyle;
use super::heads::HeadShape;
use super::pooling::{HeadActivation, HeadResult, Pooling};
use super::rope::{Growth, RopeConfig};
use crate::error::{EngineError, Result};
use crate::gguf::Gguf;

/// How an encoder tells positions apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PositionKind {
    /// A table adds a vector to each token's embedding.
    Table,
    /// RoPE.
    Rope,
    /// Attention scores decrease with the distance (`ALiBi`, Press et al. 2022).
    Alibi,
}

/// How a family of encoders differs from BERT.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family {
    /// The value of `general.architecture`.
    name: &'static str,
    positions: PositionKind,
    activation: Activation,
    /// Norms before attention and feed-forward parts, and after the last layer; otherwise after each part.
    pre_norm: bool,
    /// Every n-th layer, from the first on, attends to the whole text; the others may have a window. The file may have
    /// another number.
    global_interval: Option<u32>,
    pub(super) heads: HeadStyle,
}

const BERT: Family = Family {
    name: "bert",
    positions: PositionKind::Table,
    activation: Activation::GeluErf,
    pre_norm: false,
    global_interval: None,
    heads: HeadStyle {
        pooling: Some(Pooling::Mean),
        ranking: Pooling::First,
        activation: HeadActivation::Tanh,
        result: HeadResult::Score,
        norm_eps: 0.0,
    },
};

const FAMILIES: &[Family] = &[
    BERT,
    Family { name: "nomic-bert", positions: PositionKind::Rope, activation: Activation::Silu, ..BERT },
    Family { name: "nomic-bert-moe", positions: PositionKind::Rope, ..BERT },
    Family { name: "jina-bert-v2", positions: PositionKind::Alibi, ..BERT },
    Family { name: "jina-bert-v3", positions: PositionKind::Rope, ..BERT },
    Family {
        name: "modern-bert",
        positions: PositionKind::Rope,
        pre_norm: true,
        global_interval: Some(3),
        heads: HeadStyle { ranking: Pooling::Mean, activation: HeadActivation::Gelu, ..BERT.heads },
        ..BERT
    },
];

/// A window of attention.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderWindow {
    /// Number of positions before a token's own that it attends to, and of those after it.
    pub reach: u32,
    /// Every n-th layer, from the first on, has none.
    pub global_interval: u32,
    /// RoPE of layers that have one.
    pub rope: Option<RopeConfig>,
}

/// Hyperparameters of an encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderConfig {
    /// Human-readable name, from `general.name`.
    pub name: String,
    /// The model family, `general.architecture`.
    pub architecture: &'static str,
    /// Number of layers.
    pub layers: u32,
    /// Width of the hidden state.
    pub embedding_len: u32,
    /// Width of the hidden layer of a feed-forward part, or of an expert.
    pub feed_forward_len: u32,
    /// Number of tokens in the vocabulary.
    pub vocab: u32,
    /// Maximum number of tokens in a text.
    pub context: u32,
    /// Shapes of the attention heads.
    pub heads: HeadShape,
    /// How positions are told apart.
    pub positions: PositionKind,
    /// RoPE, in families that have it.
    pub rope: Option<RopeConfig>,
    /// Some layers attend to a part of the text only.
    pub window: Option<EncoderWindow>,
    /// Epsilon of the layer norms.
    pub norm_eps: f32,
    /// Norms before attention and feed-forward parts, and after the last layer; otherwise after each part.
    pub pre_norm: bool,
    /// Activation function of the feed-forward part.
    pub activation: Activation,
    /// Experts, in every n-th layer.
    pub experts: Option<(ExpertConfig, u32)>,
}

/// Maximum length of a text in tokens, so that attention stays affordable.
pub(crate) const MAX_TEXT_TOKENS: u32 = 2048;

/// The family of this name.
pub(super) fn family(name: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.name == name)
}

impl EncoderConfig {
    /// The names of the supported architectures.
    pub fn architectures() -> impl Iterator<Item = &'static str> {
        FAMILIES.iter().map(|family| family.name)
    }

    /// Reads and checks the hyperparameters.
    ///
    /// # Errors
    /// A missing entry, or values that contradict each other.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self> {
        let name = gguf.metadata.require_string("general.architecture")?;
        let family = family(name).ok_or_else(|| EngineError::UnsupportedArchitecture(name.to_owned()))?;
        let config = Reader { gguf, family }.read()?;
        config.check()?;
        Ok(config)
    }

    /// The window of a layer, if it has one.
    pub fn window_of(&self, layer: u32) -> Option<&EncoderWindow> {
        self.window.as_ref().filter(|window| !layer.is_multiple_of(window.global_interval))
    }

    /// The experts of a layer, if it has any.
    pub fn experts_of(&self, layer: u32) -> Option<ExpertConfig> {
        self.experts.filter(|(_, interval)| layer % interval == 1).map(|(experts, _)| experts)
    }

    /// RoPE angles for `positions`, of layers without and with a window: `[positions][rope_dim / 2]`, empty where there
    /// is no RoPE.
    pub(crate) fn angles(&self, positions: u32) -> [Vec<[f32; 2]>; 2] {
        let window = self.window.as_ref().and_then(|window| window.rope.as_ref());
        [self.rope.as_ref(), window]
            .map(|rope| rope.map(|rope| rope.angles(self.heads.rope_dim, positions, None)).unwrap_or_default())
    }

    /// Number of results of a feed-forward part per token: one, or one per expert used.
    pub(crate) fn slots(&self) -> u32 {
        self.experts.map_or(1, |(experts, _)| experts.used)
    }

    /// Size of a text's keys and values in bytes; all layers share the buffer.
    pub fn kv_bytes(&self) -> u64 {
        u64::from(self.context) * u64::from(self.embedding_len) * 8
    }

    /// Size of the activations in bytes.
    pub fn scratch_bytes(&self) -> u64 {
        let (width, slots) = (u64::from(self.embedding_len), u64::from(self.slots()));
        // Hidden state, its norm, queries, attention's result, and the projection before head norms.
        let floats = 7 * width + slots * (width + u64::from(self.feed_forward_len));
        u64::from(self.context) * floats * 4
    }

    fn check(&self) -> Result<()> {
        let mut checks = vec![
            ("layers", self.layers, 1, 512, 1),
            ("the embedding length", self.embedding_len, 32, 1 << 16, 32),
            ("the feed-forward length", self.feed_forward_len, 32, 1 << 18, 32),
            ("the vocabulary", self.vocab, 1, 1 << 21, 1),
            ("the context length", self.context, 2, MAX_TEXT_TOKENS, 1),
            ("the head size", self.heads.head_dim, 8, 256, 8),
        ];
        checks.extend(self.experts.iter().flat_map(|(experts, interval)| -> [Check; 3] {
            [
                ("the experts", experts.count, 1, 512, 1),
                ("the experts of a token", experts.used, 1, experts.count.min(64), 1),
                ("the interval of experts", *interval, 1, 512, 1),
            ]
        }));
        check_ranges(&checks)?;
        if !(self.norm_eps.is_finite() && self.norm_eps >= 0.0) {
            return Err(EngineError::malformed(format!("the epsilon of the norms is {}", self.norm_eps)));
        }
        Ok(())
    }
}

impl Named for Family {
    fn name(&self) -> &'static str {
        self.name
    }
}

impl Reader<'_, Family> {
    fn read(&self) -> Result<EncoderConfig> {
        let (metadata, family) = (&self.gguf.metadata, self.family);
        let embedding_len = self.require_u32("embedding_length")?;
        let heads = self.require_u32("attention.head_count")?;
        if heads == 0 || !embedding_len.is_multiple_of(heads) {
            return Err(EngineError::malformed(format!("{heads} heads in a width of {embedding_len}")));
        }
        let head_dim = embedding_len / heads;
        let embedding = self.gguf.require_tensor("token_embd.weight")?;
        let has_rope = family.positions == PositionKind::Rope;
        let rope_dim = if has_rope { head_dim } else { 0 };
        let rope =
            has_rope.then(|| RopeConfig::from_gguf(self.gguf, family.name, head_dim, Growth::Angles)).transpose()?;
        let norm_eps = self.key("attention.layer_norm_epsilon");
        Ok(EncoderConfig {
            name: metadata.string("general.name").unwrap_or("unnamed model").to_owned(),
            architecture: family.name,
            layers: self.require_u32("block_count")?,
            embedding_len,
            feed_forward_len: self.require_u32("feed_forward_length")?,
            vocab: u32::try_from(embedding.rows()).unwrap_or(u32::MAX),
            context: self.require_u32("context_length")?.min(MAX_TEXT_TOKENS),
            heads: HeadShape { heads, kv_heads: heads, head_dim, value_dim: head_dim, rope_dim, rope_half: has_rope },
            positions: family.positions,
            window: self.window(rope.as_ref()),
            rope,
            norm_eps: metadata.f32(&norm_eps).ok_or(EngineError::MissingMetadata(norm_eps))?,
            pre_norm: family.pre_norm,
            activation: self.activation()?,
            experts: self.experts()?,
        })
    }

    fn window(&self, rope: Option<&RopeConfig>) -> Option<EncoderWindow> {
        let global_interval = self.family.global_interval?;
        let stated = self.u32("attention.sliding_window_pattern").filter(|interval| *interval > 0);
        let global_interval = stated.unwrap_or(global_interval);
        let len = self.u32("attention.sliding_window").filter(|len| *len > 0)?;
        let base = self.gguf.metadata.f32(&self.key("rope.freq_base_swa"));
        let rope = rope.map(|rope| RopeConfig { base: base.unwrap_or(rope.base), ..rope.clone() });
        // The file has the distance between the farthest positions.
        Some(EncoderWindow { reach: len / 2, global_interval, rope })
    }

    fn activation(&self) -> Result<Activation> {
        match self.gguf.metadata.string(&self.key("hidden_activation")) {
            None | Some("gelu") => Ok(self.family.activation),
            Some("silu" | "swish") => Ok(Activation::Silu),
            Some(other) => {
                Err(EngineError::UnsupportedArchitecture(format!("{} with the activation {other}", self.family.name)))
            }
        }
    }

    fn experts(&self) -> Result<Option<(ExpertConfig, u32)>> {
        let Some(interval) = self.u32("moe_every_n_layers").filter(|interval| *interval > 0) else { return Ok(None) };
        let experts = ExpertConfig {
            count: self.require_u32("expert_count")?,
            used: self.require_u32("expert_used_count")?,
            feed_forward_len: self.require_u32("feed_forward_length")?,
            scoring: Scoring::Softmax,
            normalise: false,
            weight_scale: 1.0,
            shared_len: None,
            latent_len: None,
            groups: None,
            has_norms: false,
        };
        Ok(Some((experts, interval)))
    }
}

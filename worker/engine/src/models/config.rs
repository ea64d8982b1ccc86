//! Hyperparameters from a file's metadata.

use super::cache::CacheFormat;
use super::family::{Activation, FAMILIES, Family, HeadNorm};
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

/// How positions enter a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerRope {
    /// Not at all.
    None,
    /// RoPE as the model has it.
    Main,
    /// RoPE as layers with a window have it.
    Window,
}

/// What differs between the layers of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerConfig {
    /// Positions that a token sees, itself included; all if absent.
    pub window: Option<u32>,
    /// RoPE.
    pub rope: LayerRope,
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
    /// What differs between layers, one a layer.
    pub layers: Vec<LayerConfig>,
    /// Width of the hidden state.
    pub embedding_len: u32,
    /// Width of the feed-forward layer.
    pub feed_forward_len: u32,
    /// Experts in place of the feed-forward layer.
    pub experts: Option<ExpertConfig>,
    /// Tokens in the vocabulary.
    pub vocab: u32,
    /// Tokens the model was trained to see at once.
    pub trained_context: u32,
    /// Attention heads.
    pub heads: HeadShape,
    /// How their keys and values are kept.
    pub cache: CacheFormat,
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

/// Caps on hyperparameters, far above any published model: what a damaged file says must not allocate.
const MAX_LAYERS: u32 = 512;
const MAX_WIDTH: u32 = 1 << 18;
const MAX_VOCAB: u64 = 1 << 21;
const MAX_HEAD_DIM: u32 = 256;
const MAX_EXPERTS: u32 = 512;

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

    /// Rows of the query, key and value projections together.
    pub fn qkv_rows(&self) -> u32 {
        self.attention_len() + 2 * self.kv_len()
    }

    /// Width of the attention's output.
    pub fn attention_len(&self) -> u32 {
        self.heads.heads * self.heads.head_dim
    }

    /// Width of the keys, and of the values, of a token.
    pub fn kv_len(&self) -> u32 {
        self.heads.kv_heads * self.heads.head_dim
    }

    /// Bytes of a layer's KV cache for a token.
    pub fn kv_bytes_per_token_and_layer(&self) -> u64 {
        u64::from(self.cache.row_words(self.kv_len())) * 2 * 4
    }

    /// Bytes of the KV cache for a token, over all layers.
    pub fn kv_bytes_per_token(&self) -> u64 {
        self.layers.len() as u64 * self.kv_bytes_per_token_and_layer()
    }

    /// Whether queries, keys and values take a dispatch between projection and attention: a norm or a scale is of many rows of the product.
    pub(crate) fn has_head_dispatch(&self) -> bool {
        self.head_norm != HeadNorm::None || self.cache != CacheFormat::F16
    }

    fn check(&self) -> Result<()> {
        let HeadShape { heads, head_dim, rope_dim, .. } = self.heads;
        let mut checks = vec![
            ("the embedding length", self.embedding_len, 32, MAX_WIDTH, 32),
            ("the feed-forward length", self.feed_forward_len, 32, MAX_WIDTH, 32),
            ("the vocabulary", self.vocab, 1, MAX_VOCAB as u32, 1),
            ("the context length", self.trained_context, 1, u32::MAX, 1),
            ("heads", heads, 1, 1024, 1),
            ("the head size", head_dim, 8, MAX_HEAD_DIM, 8),
            ("the attention's width", heads.saturating_mul(head_dim), 32, MAX_WIDTH, 32),
            ("the rotated part of a head", rope_dim, 2, head_dim, 2),
        ];
        if let Some(experts) = self.experts {
            checks.push(("the experts", experts.count, 1, MAX_EXPERTS, 1));
            checks.push(("the experts of a token", experts.used, 1, experts.count.min(64), 1));
            checks.push(("the feed-forward length of an expert", experts.feed_forward_len, 32, MAX_WIDTH, 32));
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

/// Checks that numbers lie in their ranges: what each is, its value, least, most, and what it is a multiple of.
pub(super) fn check_ranges(checks: &[(&str, u32, u32, u32, u32)]) -> Result<()> {
    for (what, value, min, max, multiple) in checks {
        if value < min || value > max || !value.is_multiple_of(*multiple) {
            return Err(EngineError::malformed(format!(
                "{what}: {value}, where a multiple of {multiple} from {min} to {max} is supported"
            )));
        }
    }
    Ok(())
}

/// Reads a family's metadata.
struct Reader<'a> {
    gguf: &'a Gguf,
    family: &'a Family,
}

impl Reader<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.family.name)
    }

    fn u32(&self, name: &str) -> Option<u32> {
        self.gguf.metadata.u32(&self.key(name))
    }

    fn require_u32(&self, name: &str) -> Result<u32> {
        self.gguf.metadata.require_u32(&self.key(name))
    }

    fn f32(&self, name: &str) -> Option<f32> {
        self.gguf.metadata.f32(&self.key(name))
    }

    fn read(&self) -> Result<ModelConfig> {
        let family = self.family;
        let embedding_len = self.require_u32("embedding_length")?;
        let heads = self.heads(embedding_len)?;
        let embedding = self
            .gguf
            .tensor("token_embd.weight")
            .ok_or_else(|| EngineError::MissingTensor("token_embd.weight".to_owned()))?;
        let layer_count = self.require_u32("block_count")?;
        if layer_count == 0 || layer_count > MAX_LAYERS {
            return Err(EngineError::malformed(format!("{layer_count} layers, where 1 to {MAX_LAYERS} are supported")));
        }
        let experts = self.experts()?;
        let scale_len = match family.wide_scale_layers {
            Some(layers) if layers == layer_count => embedding_len / heads.heads,
            _ => heads.head_dim,
        };
        let rope = RopeConfig::from_gguf(self.gguf, family.name, heads.rope_dim)?;
        let window_rope = match family.window_rope_base {
            Some(base) => RopeConfig::plain(self.f32("rope.freq_base_swa").unwrap_or(base)),
            None => rope.clone(),
        };
        // Only Granite has factors of its own in the metadata.
        let factor = |name: &str| self.f32(name).filter(|factor| *factor != 0.0);
        Ok(ModelConfig {
            name: self.gguf.metadata.string("general.name").unwrap_or("unnamed model").to_owned(),
            architecture: family.name,
            layers: self.layers(layer_count)?,
            embedding_len,
            feed_forward_len: match (self.u32("feed_forward_length"), experts) {
                (Some(len), _) => len,
                (None, Some(experts)) => experts.feed_forward_len,
                (None, None) => self.require_u32("feed_forward_length")?,
            },
            experts,
            vocab: u32::try_from(embedding.rows().min(MAX_VOCAB + 1)).unwrap_or(u32::MAX),
            trained_context: self.require_u32("context_length")?,
            heads,
            rope,
            window_rope,
            norm_eps: self
                .f32("attention.layer_norm_rms_epsilon")
                .ok_or_else(|| EngineError::MissingMetadata(self.key("attention.layer_norm_rms_epsilon")))?,
            pre_norm: family.pre_norm,
            post_norm: family.post_norm,
            cache: CacheFormat::default(),
            head_norm: family.head_norm,
            activation: family.activation,
            embedding_scale: match factor("embedding_scale") {
                Some(scale) => scale,
                None if family.embedding_root => (embedding_len as f32).sqrt(),
                None => 1.0,
            },
            residual_scale: factor("residual_scale").unwrap_or(1.0),
            attention_scale: factor("attention.scale").unwrap_or_else(|| (scale_len as f32).sqrt().recip()),
            attention_softcap: factor("attn_logit_softcapping"),
            logit_scale: factor("logit_scale").map_or(1.0, f32::recip),
            logit_softcap: factor("final_logit_softcapping"),
        })
    }

    fn heads(&self, embedding_len: u32) -> Result<HeadShape> {
        let heads = self.require_u32("attention.head_count")?;
        let kv_heads = self.u32("attention.head_count_kv").unwrap_or(heads);
        if heads == 0 || kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
            return Err(EngineError::malformed(format!("{heads} query heads over {kv_heads} key heads")));
        }
        let head_dim = self.u32("attention.key_length").unwrap_or(embedding_len / heads);
        if self.u32("attention.value_length").is_some_and(|value| value != head_dim) {
            return Err(EngineError::UnsupportedArchitecture(format!("{} with unequal head sizes", self.family.name)));
        }
        let rope_dim = self.u32("rope.dimension_count").unwrap_or(head_dim);
        Ok(HeadShape { heads, kv_heads, head_dim, rope_dim, rope_half: self.family.rope_half })
    }

    fn layers(&self, count: u32) -> Result<Vec<LayerConfig>> {
        let Family { window_pattern, window_rope_base, no_rope_step, name, .. } = *self.family;
        let window = match (window_pattern, self.u32("attention.sliding_window")) {
            (Some(_), Some(0)) => return Err(EngineError::malformed("a sliding window of no tokens")),
            // What Gemma 2 was trained with; its first files do not say.
            (Some(_), window) => Some(window.unwrap_or(4096)),
            (None, Some(_)) if name == "olmo2" => {
                return Err(EngineError::UnsupportedArchitecture("olmo2 with a sliding window (OLMo 3)".to_owned()));
            }
            // Families that llama.cpp computes without their window, too.
            (None, _) => None,
        };
        Ok((0..count)
            .map(|layer| {
                let is_windowed = window_pattern.is_some_and(|pattern| layer % pattern < pattern - 1);
                let rope = match no_rope_step {
                    Some(step) if (layer + 1).is_multiple_of(step) => LayerRope::None,
                    _ if is_windowed && window_rope_base.is_some() => LayerRope::Window,
                    _ => LayerRope::Main,
                };
                LayerConfig { window: window.filter(|_| is_windowed), rope }
            })
            .collect())
    }

    fn experts(&self) -> Result<Option<ExpertConfig>> {
        let count = self.u32("expert_count").unwrap_or(0);
        if count == 0 && !self.family.experts {
            return Ok(None);
        }
        if !self.family.experts && self.family.name != "llama" {
            return Err(EngineError::UnsupportedArchitecture(format!("{} with experts", self.family.name)));
        }
        Ok(Some(ExpertConfig {
            count,
            used: self.require_u32("expert_used_count")?,
            feed_forward_len: match self.u32("expert_feed_forward_length") {
                Some(len) => len,
                None => self.require_u32("feed_forward_length")?,
            },
            normalise: self.family.normalise_experts,
        }))
    }
}

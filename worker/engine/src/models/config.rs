//! Hyperparameters from a file's metadata.

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

/// How RoPE's angles follow from positions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RopeConfig {
    /// Base of the frequencies.
    pub base: f32,
    /// Positions are divided by this (linear scaling; 1 for none).
    pub linear_factor: f32,
}

/// Hyperparameters of a decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// Name for people, from `general.name`.
    pub name: String,
    /// Decoder layers.
    pub layers: u32,
    /// Width of the hidden state.
    pub embedding_len: u32,
    /// Width of the feed-forward layer.
    pub feed_forward_len: u32,
    /// Tokens in the vocabulary.
    pub vocab: u32,
    /// Tokens the model was trained to see at once.
    pub trained_context: u32,
    /// Attention heads.
    pub heads: HeadShape,
    /// RoPE.
    pub rope: RopeConfig,
    /// Epsilon of the RMS norms.
    pub norm_eps: f32,
}

/// Caps on hyperparameters, far above any published model: what a damaged file says must not allocate.
const MAX_LAYERS: u32 = 512;
const MAX_WIDTH: u32 = 1 << 18;
const MAX_VOCAB: u64 = 1 << 21;
const MAX_HEAD_DIM: u32 = 256;

impl ModelConfig {
    /// Reads and checks the hyperparameters.
    ///
    /// # Errors
    /// An unsupported architecture or feature, a missing entry, or values that contradict each other.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self> {
        let metadata = &gguf.metadata;
        let architecture = metadata.require_string("general.architecture")?;
        if architecture != "llama" {
            return Err(EngineError::UnsupportedArchitecture(architecture.to_owned()));
        }
        let key = |name: &str| format!("{architecture}.{name}");
        let number = |name: &str| metadata.require_u32(&key(name));
        if metadata.u32(&key("expert_count")).is_some_and(|count| count > 0) {
            return Err(EngineError::UnsupportedArchitecture(format!("{architecture} with mixture of experts")));
        }

        let embedding_len = number("embedding_length")?;
        let heads = number("attention.head_count")?;
        let kv_heads = metadata.u32(&key("attention.head_count_kv")).unwrap_or(heads);
        if heads == 0 || kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
            return Err(EngineError::malformed(format!("{heads} query heads over {kv_heads} key heads")));
        }
        let head_dim = metadata.u32(&key("attention.key_length")).unwrap_or(embedding_len / heads);
        if metadata.u32(&key("attention.value_length")).is_some_and(|value| value != head_dim) {
            return Err(EngineError::UnsupportedArchitecture(format!("{architecture} with unequal head sizes")));
        }
        let embedding = gguf
            .tensor("token_embd.weight")
            .ok_or_else(|| EngineError::MissingTensor("token_embd.weight".to_owned()))?;
        let config = Self {
            name: metadata.string("general.name").unwrap_or("unnamed model").to_owned(),
            layers: number("block_count")?,
            embedding_len,
            feed_forward_len: number("feed_forward_length")?,
            vocab: u32::try_from(embedding.rows().min(MAX_VOCAB + 1)).unwrap_or(u32::MAX),
            trained_context: number("context_length")?,
            heads: HeadShape {
                heads,
                kv_heads,
                head_dim,
                rope_dim: metadata.u32(&key("rope.dimension_count")).unwrap_or(head_dim),
                // llama.cpp permutes the query and key rows of this family on conversion.
                rope_half: false,
            },
            rope: rope_config(gguf, architecture)?,
            norm_eps: metadata
                .f32(&key("attention.layer_norm_rms_epsilon"))
                .ok_or_else(|| EngineError::MissingMetadata(key("attention.layer_norm_rms_epsilon")))?,
        };
        config.check()?;
        Ok(config)
    }

    /// Rows of the query, key and value projections together.
    pub fn qkv_rows(&self) -> u32 {
        (self.heads.heads + 2 * self.heads.kv_heads) * self.heads.head_dim
    }

    /// Width of the attention's output.
    pub fn attention_len(&self) -> u32 {
        self.heads.heads * self.heads.head_dim
    }

    /// Bytes of the KV cache (f16) for a token, over all layers.
    pub fn kv_bytes_per_token(&self) -> u64 {
        u64::from(self.layers) * u64::from(self.heads.kv_heads) * u64::from(self.heads.head_dim) * 2 * 2
    }

    fn check(&self) -> Result<()> {
        let HeadShape { heads, head_dim, rope_dim, .. } = self.heads;
        let checks = [
            ("layers", self.layers, 1, MAX_LAYERS, 1),
            ("the embedding length", self.embedding_len, 32, MAX_WIDTH, 32),
            ("the feed-forward length", self.feed_forward_len, 32, MAX_WIDTH, 32),
            ("the vocabulary", self.vocab, 1, MAX_VOCAB as u32, 1),
            ("the context length", self.trained_context, 1, u32::MAX, 1),
            ("heads", heads, 1, 1024, 1),
            ("the head size", head_dim, 8, MAX_HEAD_DIM, 8),
            ("the attention's width", heads.saturating_mul(head_dim), 32, MAX_WIDTH, 32),
            ("the rotated part of a head", rope_dim, 2, head_dim, 2),
        ];
        for (what, value, min, max, multiple) in checks {
            if value < min || value > max || !value.is_multiple_of(multiple) {
                return Err(EngineError::malformed(format!(
                    "{what}: {value}, where a multiple of {multiple} from {min} to {max} is supported"
                )));
            }
        }
        if !(self.norm_eps.is_finite() && self.rope.base.is_finite() && self.rope.base > 0.0) {
            return Err(EngineError::malformed("a norm epsilon or RoPE base is not a usable number"));
        }
        Ok(())
    }
}

fn rope_config(gguf: &Gguf, architecture: &str) -> Result<RopeConfig> {
    let metadata = &gguf.metadata;
    let key = |name: &str| format!("{architecture}.rope.{name}");
    let linear_factor = match metadata.string(&key("scaling.type")) {
        None | Some("none") => 1.0,
        Some("linear") => metadata.f32(&key("scaling.factor")).unwrap_or(1.0),
        Some(other) => {
            return Err(EngineError::UnsupportedArchitecture(format!("{architecture} with {other} RoPE scaling")));
        }
    };
    if !(linear_factor.is_finite() && linear_factor > 0.0) {
        return Err(EngineError::malformed(format!("a RoPE scaling factor of {linear_factor}")));
    }
    Ok(RopeConfig { base: metadata.f32(&key("freq_base")).unwrap_or(10_000.0), linear_factor })
}

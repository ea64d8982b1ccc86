//! Embedding models: BERT (Devlin et al. 2018) and Nomic's variant with RoPE and gated feed-forward layers.

use super::config::check_ranges;
use super::family::Activation;
use super::head_planner::{HeadStyle, plan_head};
use super::heads::HeadShape;
use super::plan::{GateUpPlan, Product, VectorId, WeightPlan};
use super::planner::{Planner, SPLIT_ROWS};
use super::pooling::{HeadActivation, HeadPlan, HeadResult, Pooling};
use super::rope::RopeConfig;
use crate::error::{EngineError, Result};
use crate::gguf::Gguf;

/// Hyperparameters of an embedding model.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderConfig {
    /// Human-readable name, from `general.name`.
    pub name: String,
    /// The model family, `general.architecture`.
    pub architecture: &'static str,
    /// Number of layers.
    pub layers: u32,
    /// Width of the hidden state and of the embeddings.
    pub embedding_len: u32,
    /// Width of the hidden layer of a feed-forward part.
    pub feed_forward_len: u32,
    /// Number of tokens in the vocabulary.
    pub vocab: u32,
    /// Maximum number of tokens in a text.
    pub context: u32,
    /// Shapes of the attention heads.
    pub heads: HeadShape,
    /// RoPE, in families without position embeddings.
    pub rope: Option<RopeConfig>,
    /// Epsilon of the layer norms.
    pub norm_eps: f32,
    /// Activation function of the feed-forward part.
    pub activation: Activation,
}

/// Maximum length of a text in tokens, so that attention stays affordable.
pub(crate) const MAX_TEXT_TOKENS: u32 = 2048;
/// BERT's heads.
const HEADS: HeadStyle = HeadStyle {
    pooling: Some(Pooling::Mean),
    ranking: Pooling::First,
    activation: HeadActivation::Tanh,
    result: HeadResult::Score,
    norm_eps: 0.0,
};
const ARCHITECTURES: [&str; 2] = ["bert", "nomic-bert"];

impl EncoderConfig {
    /// The names of the supported architectures.
    pub fn architectures() -> impl Iterator<Item = &'static str> {
        ARCHITECTURES.into_iter()
    }

    /// Reads and checks the hyperparameters.
    ///
    /// # Errors
    /// A missing entry, or values that contradict each other.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self> {
        let metadata = &gguf.metadata;
        let name = metadata.require_string("general.architecture")?;
        let architecture = ARCHITECTURES
            .into_iter()
            .find(|known| *known == name)
            .ok_or_else(|| EngineError::UnsupportedArchitecture(name.to_owned()))?;
        let key = |name: &str| format!("{architecture}.{name}");
        let number = |name: &str| metadata.require_u32(&key(name));
        let is_nomic = architecture == "nomic-bert";
        let embedding_len = number("embedding_length")?;
        let heads = number("attention.head_count")?;
        if heads == 0 || !embedding_len.is_multiple_of(heads) {
            return Err(EngineError::malformed(format!("{heads} heads in a width of {embedding_len}")));
        }
        let head_dim = embedding_len / heads;
        let embedding = gguf
            .tensor("token_embd.weight")
            .ok_or_else(|| EngineError::MissingTensor("token_embd.weight".to_owned()))?;
        let rope_dim = if is_nomic { head_dim } else { 0 };
        let config = Self {
            name: metadata.string("general.name").unwrap_or("unnamed model").to_owned(),
            architecture,
            layers: number("block_count")?,
            embedding_len,
            feed_forward_len: number("feed_forward_length")?,
            vocab: u32::try_from(embedding.rows()).unwrap_or(u32::MAX),
            context: number("context_length")?.min(MAX_TEXT_TOKENS),
            heads: HeadShape { heads, kv_heads: heads, head_dim, rope_dim, rope_half: is_nomic },
            rope: is_nomic.then(|| RopeConfig::from_gguf(gguf, architecture, head_dim)).transpose()?,
            norm_eps: metadata
                .f32(&key("attention.layer_norm_epsilon"))
                .ok_or_else(|| EngineError::MissingMetadata(key("attention.layer_norm_epsilon")))?,
            activation: if is_nomic { Activation::Silu } else { Activation::GeluErf },
        };
        config.check()?;
        Ok(config)
    }

    /// Size of a text's keys and values in bytes; all layers share the buffer.
    pub fn kv_bytes(&self) -> u64 {
        u64::from(self.context) * u64::from(self.embedding_len) * 4
    }

    /// Size of the activations in bytes.
    pub fn scratch_bytes(&self) -> u64 {
        u64::from(self.context) * (3 * u64::from(self.embedding_len) + u64::from(self.feed_forward_len)) * 4
    }

    fn check(&self) -> Result<()> {
        let checks = [
            ("layers", self.layers, 1, 512, 1),
            ("the embedding length", self.embedding_len, 32, 1 << 16, 32),
            ("the feed-forward length", self.feed_forward_len, 32, 1 << 18, 32),
            ("the vocabulary", self.vocab, 1, 1 << 21, 1),
            ("the context length", self.context, 2, MAX_TEXT_TOKENS, 1),
            ("the head size", self.heads.head_dim, 8, 256, 8),
        ];
        check_ranges(&checks)?;
        if !(self.norm_eps.is_finite() && self.norm_eps >= 0.0) {
            return Err(EngineError::malformed(format!("the epsilon of the norms is {}", self.norm_eps)));
        }
        Ok(())
    }
}

/// Weights and biases of a layer norm.
pub type NormPlan = (VectorId, VectorId);

/// The tensors of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderLayerPlan {
    /// Query, key and value projections.
    pub qkv: Product,
    /// Their biases.
    pub qkv_bias: Option<VectorId>,
    /// Output projection of attention.
    pub attention_output: Product,
    /// Its bias.
    pub attention_output_bias: Option<VectorId>,
    /// Norm after attention.
    pub attention_norm: NormPlan,
    /// Up projection, alone or with a gate.
    pub up: UpPlan,
    /// Down projection.
    pub down: Product,
    /// Its bias.
    pub down_bias: Option<VectorId>,
    /// Norm after the feed-forward part.
    pub output_norm: NormPlan,
}

/// The first half of a feed-forward part.
#[derive(Debug, Clone, PartialEq)]
pub enum UpPlan {
    /// An up projection with its bias.
    Plain(Product, Option<VectorId>),
    /// Gate and up projections.
    Gated(GateUpPlan),
}

/// The tensors of an embedding model.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderPlan {
    /// Every matrix and vector.
    pub weights: WeightPlan,
    /// Token embedding.
    pub embedding: Product,
    /// Position embedding, in families without RoPE.
    pub positions: Option<Product>,
    /// Token type embedding; only the first type is used.
    pub types: Option<Product>,
    /// Norm of the sum of the embeddings.
    pub embedding_norm: NormPlan,
    /// Layers in order.
    pub layers: Vec<EncoderLayerPlan>,
    /// From the hidden states to an embedding or a score.
    pub head: HeadPlan,
}

impl EncoderPlan {
    /// Plans the file's tensors for bindings of up to `max_binding_bytes`, as [`super::ModelPlan::new`] does.
    ///
    /// # Errors
    /// The first tensor that is missing, misshapen, unsupported or unknown.
    pub fn new(gguf: &Gguf, config: &EncoderConfig, max_binding_bytes: u64) -> Result<Self> {
        let mut planner = Planner::new(gguf, max_binding_bytes)?;
        let width = config.embedding_len;
        let embedding = planner.matrix("token_embd.weight".to_owned(), config.vocab, width)?;
        let positions = match gguf.tensor("position_embd.weight") {
            Some(table) if config.rope.is_none() => {
                let rows = u32::try_from(table.rows()).unwrap_or(u32::MAX);
                if rows < config.context {
                    return Err(EngineError::malformed(format!("{rows} positions for texts of {}", config.context)));
                }
                Some(planner.matrix("position_embd.weight".to_owned(), rows, width)?)
            }
            _ => None,
        };
        let types = match gguf.tensor("token_types.weight") {
            Some(table) => {
                let rows = u32::try_from(table.rows()).unwrap_or(u32::MAX);
                Some(planner.matrix("token_types.weight".to_owned(), rows, width)?)
            }
            None => None,
        };
        let embedding_norm = norm(&mut planner, "token_embd_norm", width)?;
        let layers = (0..config.layers).map(|layer| plan_layer(&mut planner, config, layer)).collect::<Result<_>>()?;
        let head = plan_head(&mut planner, config.architecture, HEADS, width)?
            .ok_or_else(|| EngineError::malformed("an encoder that generates text"))?;
        planner.check_complete(config.architecture)?;
        Ok(Self { weights: planner.weights, embedding, positions, types, embedding_norm, layers, head })
    }
}

fn norm(planner: &mut Planner<'_>, name: &str, len: u32) -> Result<NormPlan> {
    Ok((planner.vector(format!("{name}.weight"), len)?, planner.vector(format!("{name}.bias"), len)?))
}

fn plan_layer(planner: &mut Planner<'_>, config: &EncoderConfig, layer: u32) -> Result<EncoderLayerPlan> {
    let (width, hidden) = (config.embedding_len, config.feed_forward_len);
    let name = |part: &str| format!("blk.{layer}.{part}");
    let weight = |part: &str| format!("blk.{layer}.{part}.weight");
    let bias = |part: &str| format!("blk.{layer}.{part}.bias");
    let fused = planner.has(&weight("attn_qkv"));
    let segments = if fused {
        vec![planner.segment(weight("attn_qkv"), 3 * width, width)?]
    } else {
        let parts = ["attn_q", "attn_k", "attn_v"];
        parts.iter().map(|part| planner.segment(weight(part), width, width)).collect::<Result<_>>()?
    };
    let qkv_bias = if fused {
        planner.optional_vector(bias("attn_qkv"), 3 * width)?
    } else if planner.has(&bias("attn_q")) {
        Some(planner.vectors_of(&["attn_q", "attn_k", "attn_v"].map(|part| (bias(part), width)))?)
    } else {
        None
    };
    let up = if planner.has(&weight("ffn_gate")) {
        let gate = planner.segment(weight("ffn_gate"), hidden, width)?;
        let up = planner.segment(weight("ffn_up"), hidden, width)?;
        UpPlan::Gated(planner.gate_up(gate, up, width)?)
    } else {
        let product = planner.matrix(weight("ffn_up"), hidden, width)?;
        UpPlan::Plain(product, planner.optional_vector(bias("ffn_up"), hidden)?)
    };
    Ok(EncoderLayerPlan {
        qkv: planner.stack(&segments, width, config.heads.head_dim.max(SPLIT_ROWS))?,
        qkv_bias,
        attention_output: planner.matrix(weight("attn_output"), width, width)?,
        attention_output_bias: planner.optional_vector(bias("attn_output"), width)?,
        attention_norm: norm(planner, &name("attn_output_norm"), width)?,
        up,
        down: planner.matrix(weight("ffn_down"), width, hidden)?,
        down_bias: planner.optional_vector(bias("ffn_down"), width)?,
        output_norm: norm(planner, &name("layer_output_norm"), width)?,
    })
}

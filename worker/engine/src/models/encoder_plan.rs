//! The tensors of an encoder, by their names in the file.

use super::config::ExpertConfig;
use super::encoder::{EncoderConfig, PositionKind, family};
use super::head_planner::{HeadStyle, plan_head};
use super::plan::{GateUpPlan, MatrixId, Product, Segment, VectorId, WeightPlan};
use super::planner::{Planner, SPLIT_ROWS};
use super::pooling::HeadPlan;
use crate::error::{EngineError, Result};
use crate::gguf::Gguf;

/// Weights of a layer norm, and biases if it has any.
pub type NormPlan = (VectorId, Option<VectorId>);

/// The tensors of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderLayerPlan {
    /// Query, key and value projections.
    pub qkv: Product,
    /// Their biases.
    pub qkv_bias: Option<VectorId>,
    /// Weights and biases of the norms of queries and keys, each over all heads.
    pub head_norms: Option<[(VectorId, VectorId); 2]>,
    /// Output projection of attention.
    pub attention_output: Product,
    /// Its bias.
    pub attention_output_bias: Option<VectorId>,
    /// Norm before attention, or after it.
    pub attention_norm: Option<NormPlan>,
    /// Another norm after that, of the sum with attention's input.
    pub second_norm: Option<NormPlan>,
    /// The feed-forward part.
    pub feed_forward: EncoderFeedForward,
    /// Norm before the feed-forward part, or after it.
    pub feed_forward_norm: NormPlan,
}

/// A feed-forward part.
#[derive(Debug, Clone, PartialEq)]
pub enum EncoderFeedForward {
    /// One for all tokens.
    Dense {
        /// Up projection, alone or with a gate.
        gate_up: GateUpPlan,
        /// Down projection.
        down: Product,
        /// Its bias.
        down_bias: Option<VectorId>,
    },
    /// A mixture of experts without gates. Both matrices stack the rows of all experts.
    Experts {
        /// Number and width of the experts.
        config: ExpertConfig,
        /// Computes the experts' scores.
        router: Product,
        /// Up projection.
        up: MatrixId,
        /// Down projection.
        down: MatrixId,
    },
}

/// The tensors of an encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderPlan {
    /// Every matrix and vector.
    pub weights: WeightPlan,
    /// Token embedding.
    pub embedding: Product,
    /// Position embedding, in families that have it.
    pub positions: Option<Product>,
    /// Token type embedding; only the first type is used.
    pub types: Option<Product>,
    /// Norm of the sum of the embeddings.
    pub embedding_norm: NormPlan,
    /// Layers in order.
    pub layers: Vec<EncoderLayerPlan>,
    /// Norm after the last layer, in families with norms before each part.
    pub output_norm: Option<NormPlan>,
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
        let positions = match table_rows(gguf, "position_embd.weight") {
            Some(rows) if config.positions == PositionKind::Table => {
                if rows < config.context {
                    return Err(EngineError::malformed(format!("{rows} positions for texts of {}", config.context)));
                }
                Some(planner.matrix("position_embd.weight".to_owned(), rows, width)?)
            }
            _ => None,
        };
        let types = table_rows(gguf, "token_types.weight");
        let types = types.map(|rows| planner.matrix("token_types.weight".to_owned(), rows, width)).transpose()?;
        let embedding_norm = norm(&mut planner, "token_embd_norm", width)?;
        let layers = (0..config.layers)
            .map(|layer| LayerPlanner { planner: &mut planner, config, layer }.plan())
            .collect::<Result<_>>()?;
        let output_norm = config.pre_norm.then(|| norm(&mut planner, "output_norm", width)).transpose()?;
        let unknown = || EngineError::UnsupportedArchitecture(config.architecture.to_owned());
        let heads = family(config.architecture).ok_or_else(unknown)?.heads;
        let heads = HeadStyle { norm_eps: config.norm_eps, ..heads };
        let head = plan_head(&mut planner, config.architecture, heads, width)?.ok_or_else(unknown)?;
        planner.check_complete(config.architecture)?;
        let weights = planner.weights;
        Ok(Self { weights, embedding, positions, types, embedding_norm, layers, output_norm, head })
    }
}

/// Number of rows of a table, if the file has it.
fn table_rows(gguf: &Gguf, name: &str) -> Option<u32> {
    gguf.tensor(name).map(|table| u32::try_from(table.rows()).unwrap_or(u32::MAX))
}

fn norm(planner: &mut Planner<'_>, name: &str, len: u32) -> Result<NormPlan> {
    Ok((planner.vector(format!("{name}.weight"), len)?, planner.optional_vector(format!("{name}.bias"), len)?))
}

struct LayerPlanner<'p, 'g> {
    planner: &'p mut Planner<'g>,
    config: &'p EncoderConfig,
    layer: u32,
}

impl LayerPlanner<'_, '_> {
    fn name(&self, part: &str) -> String {
        format!("blk.{}.{part}", self.layer)
    }

    fn weight(&self, part: &str) -> String {
        self.name(&format!("{part}.weight"))
    }

    fn bias(&self, part: &str) -> String {
        self.name(&format!("{part}.bias"))
    }

    fn norm(&mut self, part: &str) -> Result<NormPlan> {
        let name = self.name(part);
        norm(self.planner, &name, self.config.embedding_len)
    }

    fn optional_norm(&mut self, part: &str) -> Result<Option<NormPlan>> {
        self.planner.has(&self.weight(part)).then(|| self.norm(part)).transpose()
    }

    fn plan(mut self) -> Result<EncoderLayerPlan> {
        let width = self.config.embedding_len;
        let (attention_norm, feed_forward_norm) = if self.config.pre_norm {
            // The norm of the embeddings serves as the first layer's.
            (self.optional_norm("attn_norm")?, self.norm("ffn_norm")?)
        } else {
            (Some(self.norm("attn_output_norm")?), self.norm("layer_output_norm")?)
        };
        Ok(EncoderLayerPlan {
            qkv: self.qkv()?,
            qkv_bias: self.qkv_bias()?,
            head_norms: self.head_norms()?,
            attention_output: self.planner.matrix(self.weight("attn_output"), width, width)?,
            attention_output_bias: self.planner.optional_vector(self.bias("attn_output"), width)?,
            attention_norm,
            second_norm: self.optional_norm("attn_norm_2")?,
            feed_forward: match self.config.experts_of(self.layer) {
                Some(experts) => self.experts(experts)?,
                None => self.dense()?,
            },
            feed_forward_norm,
        })
    }

    fn qkv(&mut self) -> Result<Product> {
        let width = self.config.embedding_len;
        let fused = self.weight("attn_qkv");
        let segments = if self.planner.has(&fused) {
            vec![self.planner.segment(fused, 3 * width, width)?]
        } else {
            let parts = ["attn_q", "attn_k", "attn_v"].map(|part| self.weight(part));
            parts.into_iter().map(|part| self.planner.segment(part, width, width)).collect::<Result<_>>()?
        };
        self.planner.stack(&segments, width, self.config.heads.head_dim.max(SPLIT_ROWS))
    }

    fn qkv_bias(&mut self) -> Result<Option<VectorId>> {
        let width = self.config.embedding_len;
        let fused = self.bias("attn_qkv");
        if self.planner.has(&fused) {
            return self.planner.vector(fused, 3 * width).map(Some);
        }
        if !self.planner.has(&self.bias("attn_q")) {
            return Ok(None);
        }
        let parts = ["attn_q", "attn_k", "attn_v"].map(|part| (self.bias(part), width));
        self.planner.vectors_of(&parts).map(Some)
    }

    fn head_norms(&mut self) -> Result<Option<[(VectorId, VectorId); 2]>> {
        if !self.planner.has(&self.weight("attn_q_norm")) {
            return Ok(None);
        }
        let width = self.config.embedding_len;
        let mut norm = |part: &str| -> Result<(VectorId, VectorId)> {
            let (weight, bias) = (self.weight(part), self.bias(part));
            Ok((self.planner.vector(weight, width)?, self.planner.vector(bias, width)?))
        };
        Ok(Some([norm("attn_q_norm")?, norm("attn_k_norm")?]))
    }

    fn dense(&mut self) -> Result<EncoderFeedForward> {
        let (width, hidden) = (self.config.embedding_len, self.config.feed_forward_len);
        let (gate, up) = (self.weight("ffn_gate"), self.weight("ffn_up"));
        let gate_up = if self.planner.has(&gate) {
            let gate = self.planner.segment(gate, hidden, width)?;
            let up = self.planner.segment(up, hidden, width)?;
            self.planner.gate_up(gate, up, width, None)?
        } else if self.planner.rows(&up) == Some(2 * u64::from(hidden)) {
            // Both are in one tensor.
            let both = self.planner.segment(up, 2 * hidden, width)?;
            let half = |first_row| Segment { first_row, rows: hidden, ..both.clone() };
            self.planner.gate_up(half(0), half(hidden), width, None)?
        } else {
            let product = self.planner.matrix(up, hidden, width)?;
            GateUpPlan::Ungated(product, self.planner.optional_vector(self.bias("ffn_up"), hidden)?)
        };
        Ok(EncoderFeedForward::Dense {
            gate_up,
            down: self.planner.matrix(self.weight("ffn_down"), width, hidden)?,
            down_bias: self.planner.optional_vector(self.bias("ffn_down"), width)?,
        })
    }

    fn experts(&mut self, config: ExpertConfig) -> Result<EncoderFeedForward> {
        let (width, hidden) = (self.config.embedding_len, config.feed_forward_len);
        let overflow = || EngineError::malformed("the experts have too many rows");
        let rows = config.count.checked_mul(hidden).ok_or_else(overflow)?;
        let out_rows = config.count.checked_mul(width).ok_or_else(overflow)?;
        // An expert's rows are found by its index, so no matrix may be split.
        Ok(EncoderFeedForward::Experts {
            config,
            router: self.planner.matrix(self.weight("ffn_gate_inp"), config.count, width)?,
            up: self.planner.whole(self.weight("ffn_up_exps"), rows, width)?,
            down: self.planner.whole(self.weight("ffn_down_exps"), out_rows, hidden)?,
        })
    }
}

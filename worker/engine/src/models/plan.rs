//! Which tensors a decoder consists of, which of them are stacked into one matrix, and which are split.

use super::config::{
    AttentionConfig, DeltaNetConfig, ExpertConfig, FeedForwardConfig, MixerConfig, ModelConfig, ShortConvolutionConfig,
};
use super::family::HeadNorm;
use super::planner::{Planner, SPLIT_ROWS};
use super::rope::{ROPE_FREQUENCIES, ROPE_LONG, ROPE_SHORT};
use crate::error::{EngineError, Result};
use crate::gguf::{Gguf, TensorType, stream_bytes};

/// A run of a tensor's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The tensor.
    pub tensor: String,
    /// Its first row that belongs to the run.
    pub first_row: u32,
    /// Rows.
    pub rows: u32,
}

/// One matrix on the GPU: runs of tensors' rows, one below the other.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixPlan {
    /// Its rows, in order.
    pub segments: Vec<Segment>,
    /// Their common format.
    pub tensor_type: TensorType,
    /// Rows of all of them.
    pub rows: u32,
    /// Columns.
    pub cols: u32,
    /// The output row of the product that its first row computes.
    pub first_row: u32,
}

impl MatrixPlan {
    /// The tensors' names, for messages and debugging tools.
    pub fn label(&self) -> String {
        self.segments.iter().map(|segment| segment.tensor.as_str()).collect::<Vec<_>>().join(" + ")
    }
}

/// A vector on the GPU: tensors one after the other, with their lengths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VectorPlan {
    /// Name and elements of each.
    pub tensors: Vec<(String, u32)>,
}

impl VectorPlan {
    /// Elements of all of them.
    pub fn len(&self) -> u32 {
        self.tensors.iter().map(|(_, len)| len).sum()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A place in [`WeightPlan::matrices`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatrixId(pub(crate) usize);

/// A place in [`WeightPlan::vectors`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VectorId(pub(crate) usize);

/// A matrix product: one matrix, or several that compute its output rows in order.
pub type Product = Vec<MatrixId>;

/// Gate and up projection.
#[derive(Debug, Clone, PartialEq)]
pub enum GateUpPlan {
    /// Matrices with the same rows of both.
    Paired(Product),
    /// Apart, because their formats differ or a binding does not hold both.
    Apart {
        /// Gate.
        gate: Product,
        /// Up.
        up: Product,
    },
}

/// A feed-forward layer.
#[derive(Debug, Clone, PartialEq)]
pub enum FeedForwardPlan {
    /// One for all tokens.
    Dense {
        /// Gate and up projection.
        gate_up: GateUpPlan,
        /// Down projection.
        down: Product,
    },
    /// Some of many experts for each token. Matrices hold all experts' rows, one expert below the other.
    Experts {
        /// How they are chosen, and how wide they are.
        experts: ExpertConfig,
        /// Scores the experts.
        router: Product,
        /// Gate.
        gate: MatrixId,
        /// Up projection.
        up: MatrixId,
        /// Down projection.
        down: MatrixId,
    },
}

/// The tensors of attention.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionPlan {
    /// Query, key and value projections.
    pub qkv: Product,
    /// Their biases.
    pub qkv_bias: Option<VectorId>,
    /// RMS norms of queries and keys.
    pub head_norms: Option<(VectorId, VectorId)>,
    /// Output projection.
    pub output: Product,
    /// Its bias.
    pub output_bias: Option<VectorId>,
}

/// The tensors of a gated short convolution.
#[derive(Debug, Clone, PartialEq)]
pub struct ShortConvolutionPlan {
    /// Gates of its input and of its output, and the input: `channels` rows each.
    pub input: Product,
    /// Weights: `[channels][taps]`.
    pub taps: VectorId,
    /// Output projection.
    pub output: Product,
}

/// The tensors of a gated delta net.
#[derive(Debug, Clone, PartialEq)]
pub struct DeltaNetPlan {
    /// Queries, keys and values, gates of the output, factors of the update, and exponents of the decay.
    pub input: Product,
    /// Weights of the convolution: `[channels][taps]`.
    pub taps: VectorId,
    /// Bias of the decay's exponents: `[value_heads]`.
    pub decay_bias: VectorId,
    /// Factor of them: `[value_heads]`.
    pub decay: VectorId,
    /// Norm of the output of a head: `[head_dim]`.
    pub norm: VectorId,
    /// Output projection.
    pub output: Product,
}

/// The tensors of what mixes tokens.
#[derive(Debug, Clone, PartialEq)]
pub enum MixerPlan {
    /// Attention.
    Attention(AttentionPlan),
    /// Gated short convolution.
    ShortConvolution(ShortConvolutionPlan),
    /// Gated delta net.
    DeltaNet(DeltaNetPlan),
}

/// A decoder layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerPlan {
    /// RMS norm before the mixer.
    pub mixer_norm: Option<VectorId>,
    /// What mixes tokens.
    pub mixer: MixerPlan,
    /// RMS norm after it.
    pub mixer_post_norm: Option<VectorId>,
    /// RMS norm before the feed-forward part.
    pub feed_forward_norm: Option<VectorId>,
    /// Feed-forward part.
    pub feed_forward: FeedForwardPlan,
    /// RMS norm after it.
    pub feed_forward_post_norm: Option<VectorId>,
}

/// Everything that goes to the GPU.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WeightPlan {
    /// Every matrix.
    pub matrices: Vec<MatrixPlan>,
    /// Every vector.
    pub vectors: Vec<VectorPlan>,
    /// Tensors that are not needed.
    pub ignored: Vec<String>,
}

impl WeightPlan {
    /// Bytes on the GPU.
    pub fn len_bytes(&self) -> u64 {
        let matrices = self.matrices.iter().map(|matrix| {
            let streams = stream_bytes(matrix.tensor_type, matrix.rows, matrix.cols);
            streams.quants + streams.scales
        });
        matrices.sum::<u64>() + self.vectors.iter().map(|vector| u64::from(vector.len()) * 4).sum::<u64>()
    }
}

/// A whole decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelPlan {
    /// Every matrix and vector.
    pub weights: WeightPlan,
    /// Token embedding.
    pub embedding: Product,
    /// Layers in order.
    pub layers: Vec<LayerPlan>,
    /// Norm before the output head.
    pub output_norm: VectorId,
    /// Output head; the embedding where it is tied.
    pub output: Product,
}

impl ModelPlan {
    /// Plans the file's tensors for bindings of up to `max_binding_bytes` and checks that each is there, has the right
    /// shape and a supported format, and that none is left over: an unknown tensor means a model that would be
    /// computed wrongly.
    ///
    /// # Errors
    /// The first tensor that is missing, misshapen, unsupported or unknown.
    pub fn new(gguf: &Gguf, config: &ModelConfig, max_binding_bytes: u64) -> Result<Self> {
        let mut planner = Planner::new(gguf, max_binding_bytes)?;
        let width = config.embedding_len;
        let layers = (0..config.layers.len())
            .map(|layer| LayerPlanner { planner: &mut planner, config, layer }.plan())
            .collect::<Result<_>>()?;
        for layer in 0..config.drafting_layers as usize {
            planner.ignore(&format!("blk.{}.", config.layers.len() + layer));
        }
        let embedding = planner.matrix("token_embd.weight".to_owned(), config.vocab, width)?;
        let output = if planner.has("output.weight") {
            planner.matrix("output.weight".to_owned(), config.vocab, width)?
        } else {
            embedding.clone()
        };
        let output_norm = planner.vector(format!("{}.weight", config.output_norm), width)?;
        for name in [ROPE_FREQUENCIES, ROPE_LONG, ROPE_SHORT] {
            planner.host_vector(name, config.rope_dim / 2)?;
        }
        planner.check_complete(config.architecture)?;
        Ok(Self { weights: planner.weights, embedding, layers, output_norm, output })
    }
}

struct LayerPlanner<'p, 'g> {
    planner: &'p mut Planner<'g>,
    config: &'p ModelConfig,
    layer: usize,
}

impl LayerPlanner<'_, '_> {
    fn name(&self, part: &str) -> String {
        format!("blk.{}.{part}", self.layer)
    }

    fn weight(&self, part: &str) -> String {
        self.name(&format!("{part}.weight"))
    }

    fn plan(mut self) -> Result<LayerPlan> {
        let (config, layer) = (self.config, self.config.layers[self.layer]);
        let width = config.embedding_len;
        let norm = |this: &mut Self, wanted: bool, part: &str| {
            wanted.then(|| this.planner.vector(this.weight(part), width)).transpose()
        };
        Ok(LayerPlan {
            mixer_norm: norm(&mut self, config.pre_norm, "attn_norm")?,
            mixer: match &layer.mixer {
                MixerConfig::Attention(attention) => MixerPlan::Attention(self.attention(attention)?),
                MixerConfig::ShortConvolution(convolution) => {
                    MixerPlan::ShortConvolution(self.short_convolution(*convolution)?)
                }
                MixerConfig::DeltaNet(net) => MixerPlan::DeltaNet(self.delta_net(net)?),
            },
            mixer_post_norm: norm(&mut self, config.post_norm, "post_attention_norm")?,
            feed_forward_norm: norm(&mut self, config.pre_norm, config.feed_forward_norm)?,
            feed_forward: match layer.feed_forward {
                FeedForwardConfig::Experts(experts) => self.experts(experts)?,
                FeedForwardConfig::Dense(len) => self.dense(len)?,
            },
            feed_forward_post_norm: norm(&mut self, config.post_norm, "post_ffw_norm")?,
        })
    }

    fn attention(&mut self, attention: &AttentionConfig) -> Result<AttentionPlan> {
        let width = self.config.embedding_len;
        Ok(AttentionPlan {
            qkv: self.qkv(attention)?,
            qkv_bias: self.qkv_bias(attention)?,
            head_norms: self.head_norms(attention)?,
            output: self.planner.matrix(self.weight("attn_output"), width, attention.output_len())?,
            output_bias: self.planner.optional_vector(self.name("attn_output.bias"), width)?,
        })
    }

    fn short_convolution(&mut self, convolution: ShortConvolutionConfig) -> Result<ShortConvolutionPlan> {
        let (width, ShortConvolutionConfig { channels, taps }) = (self.config.embedding_len, convolution);
        Ok(ShortConvolutionPlan {
            input: self.planner.matrix(self.weight("shortconv.in_proj"), 3 * channels, width)?,
            taps: self.planner.table(self.weight("shortconv.conv"), channels, taps)?,
            output: self.planner.matrix(self.weight("shortconv.out_proj"), width, channels)?,
        })
    }

    fn delta_net(&mut self, net: &DeltaNetConfig) -> Result<DeltaNetPlan> {
        let width = self.config.embedding_len;
        let parts = [
            ("attn_qkv", net.channels()),
            ("attn_gate", net.value_len()),
            ("ssm_beta", net.value_heads),
            ("ssm_alpha", net.value_heads),
        ];
        let segments = parts.map(|(part, rows)| self.planner.segment(self.weight(part), rows, width));
        let segments = segments.into_iter().collect::<Result<Vec<_>>>()?;
        Ok(DeltaNetPlan {
            input: self.planner.stack(&segments, width, SPLIT_ROWS)?,
            taps: self.planner.table(self.weight("ssm_conv1d"), net.channels(), net.taps)?,
            decay_bias: self.planner.vector(self.name("ssm_dt.bias"), net.value_heads)?,
            decay: self.planner.vector(self.name("ssm_a"), net.value_heads)?,
            norm: self.planner.vector(self.weight("ssm_norm"), net.head_dim)?,
            output: self.planner.matrix(self.weight("ssm_out"), width, net.value_len())?,
        })
    }

    /// Query, key and value, which Phi 3 keeps in one tensor.
    fn qkv(&mut self, attention: &AttentionConfig) -> Result<Product> {
        let width = self.config.embedding_len;
        let fused = self.weight("attn_qkv");
        let segments = if self.planner.has(&fused) {
            vec![self.planner.segment(fused, attention.qkv_rows(), width)?]
        } else {
            let (query, kv) = (attention.query_rows(), attention.kv_len());
            let parts = [("attn_q", query), ("attn_k", kv), ("attn_v", kv)];
            let mut segments = Vec::new();
            for (part, rows) in parts {
                segments.push(self.planner.segment(self.weight(part), rows, width)?);
            }
            segments
        };
        self.planner.stack(&segments, width, attention.heads.head_dim)
    }

    fn qkv_bias(&mut self, attention: &AttentionConfig) -> Result<Option<VectorId>> {
        let fused = self.name("attn_qkv.bias");
        if self.planner.has(&fused) {
            return self.planner.vector(fused, attention.qkv_rows()).map(Some);
        }
        if !self.planner.has(&self.name("attn_q.bias")) {
            return Ok(None);
        }
        let (query, kv) = (attention.query_rows(), attention.kv_len());
        let parts = [("attn_q.bias", query), ("attn_k.bias", kv), ("attn_v.bias", kv)];
        let parts = parts.map(|(part, len)| (self.name(part), len));
        self.planner.vectors_of(&parts).map(Some)
    }

    fn head_norms(&mut self, attention: &AttentionConfig) -> Result<Option<(VectorId, VectorId)>> {
        let lens = match self.config.head_norm {
            HeadNorm::None => return Ok(None),
            HeadNorm::Head => [attention.heads.head_dim; 2],
            HeadNorm::Row => [attention.output_len(), attention.kv_len()],
        };
        let query = self.planner.vector(self.weight("attn_q_norm"), lens[0])?;
        let key = self.planner.vector(self.weight("attn_k_norm"), lens[1])?;
        Ok(Some((query, key)))
    }

    fn dense(&mut self, hidden: u32) -> Result<FeedForwardPlan> {
        let width = self.config.embedding_len;
        let up = self.weight("ffn_up");
        let (gate, up) = if self.planner.has(&self.weight("ffn_gate")) {
            let gate = self.planner.segment(self.weight("ffn_gate"), hidden, width)?;
            (gate, self.planner.segment(up, hidden, width)?)
        } else {
            // Phi 3 keeps both in one tensor.
            let both = self.planner.segment(up, 2 * hidden, width)?;
            let half = |first_row| Segment { first_row, rows: hidden, ..both.clone() };
            (half(0), half(hidden))
        };
        let gate_up = self.planner.gate_up(gate, up, width)?;
        Ok(FeedForwardPlan::Dense { gate_up, down: self.planner.matrix(self.weight("ffn_down"), width, hidden)? })
    }

    fn experts(&mut self, experts: ExpertConfig) -> Result<FeedForwardPlan> {
        let width = self.config.embedding_len;
        let hidden = experts.feed_forward_len;
        let overflow = || EngineError::malformed("the experts have too many rows");
        let rows = experts.count.checked_mul(hidden).ok_or_else(overflow)?;
        let out_rows = experts.count.checked_mul(width).ok_or_else(overflow)?;
        // An expert's rows are found by its number, so no matrix may be split.
        Ok(FeedForwardPlan::Experts {
            experts,
            router: self.planner.matrix(self.weight("ffn_gate_inp"), experts.count, width)?,
            gate: self.planner.whole(self.weight("ffn_gate_exps"), rows, width)?,
            up: self.planner.whole(self.weight("ffn_up_exps"), rows, width)?,
            down: self.planner.whole(self.weight("ffn_down_exps"), out_rows, hidden)?,
        })
    }
}

//! The tensors of a generative model: which of them are stacked into one matrix, and which are split.

use super::config::ExpertConfig;
use super::pooling::HeadPlan;
use crate::gguf::{TensorType, stream_bytes};

/// A range of a tensor's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Name of the tensor.
    pub tensor: String,
    /// First row of the range.
    pub first_row: u32,
    /// Number of rows.
    pub rows: u32,
}

/// One matrix on the device: ranges of tensors' rows, stacked.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixPlan {
    /// Its rows, in order.
    pub segments: Vec<Segment>,
    /// Their common format.
    pub tensor_type: TensorType,
    /// Number of rows in total.
    pub rows: u32,
    /// Number of columns.
    pub cols: u32,
    /// The row of the product's output that its first row computes.
    pub first_row: u32,
}

impl MatrixPlan {
    /// The names of its tensors, for error messages and debugging tools.
    pub fn label(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for segment in &self.segments {
            // Tensors of experts take turns.
            if !names.iter().rev().take(2).any(|name| *name == segment.tensor) {
                names.push(&segment.tensor);
            }
        }
        names.join(" + ")
    }
}

/// One vector on the device: several tensors, concatenated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VectorPlan {
    /// Name and length of each; without a name, zeros.
    pub tensors: Vec<(Option<String>, u32)>,
}

impl VectorPlan {
    /// Number of elements in total.
    pub fn len(&self) -> u32 {
        self.tensors.iter().map(|(_, len)| len).sum()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A tensor that is converted while it is loaded, because its parts are needed in another order: in old files of latent
/// attention, `[heads][key_rows + value_rows][cols]` expands latent vectors to keys and values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpansionPlan {
    /// Name of the tensor.
    pub tensor: String,
    /// Number of heads.
    pub heads: u32,
    /// Rows of a head that belong to its key.
    pub key_rows: u32,
    /// Rows of a head that belong to its value.
    pub value_rows: u32,
    /// Number of columns.
    pub cols: u32,
    /// The keys' rows, transposed for each head: `[heads][cols][key_rows]` in F16.
    pub keys: MatrixId,
    /// The values' rows: `[heads][value_rows][cols]` in F16.
    pub values: MatrixId,
}

/// A tensor whose weights are rearranged while it is loaded, because a row of the file is no row of the matrix, or no
/// whole number of blocks. The rest of a matrix's rows is zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrangedPlan {
    /// Name of the tensor.
    pub tensor: String,
    /// The matrix, in F16 if the tensor is, otherwise in F32.
    pub matrix: MatrixId,
    /// Number of rows.
    pub rows: u32,
    /// Number of columns before padding.
    pub cols: u32,
    /// Where the weights are in the file.
    pub arrangement: Arrangement,
}

/// The order of a tensor's weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrangement {
    /// `[rows][cols]`
    Rows,
    /// `[cols][rows]`
    Columns,
    /// `[rows][elements][parts]`, for inputs that are `[parts][elements]`.
    Interleaved {
        /// Number of parts.
        parts: u32,
    },
}

/// Index into [`WeightPlan::matrices`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatrixId(pub(crate) usize);

/// Index into [`WeightPlan::vectors`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VectorId(pub(crate) usize);

/// A matrix product: one matrix, or several that compute consecutive ranges of its output rows.
pub type Product = Vec<MatrixId>;

/// Gate and up projections.
#[derive(Debug, Clone, PartialEq)]
pub enum GateUpPlan {
    /// Matrices with the same rows of both.
    Paired(Product),
    /// Separate, because their formats differ, or because gates are cut off before the activation function.
    Apart {
        /// Gate projection.
        gate: Product,
        /// Up projection.
        up: Product,
        /// Standard deviations from the mean of a token's gates, from which on they count; without it all do.
        cutoff: Option<f32>,
    },
    /// Only an up projection, with its bias.
    Ungated(Product, Option<VectorId>),
}

/// A feed-forward part.
#[derive(Debug, Clone, PartialEq)]
pub enum FeedForwardPlan {
    /// One for all tokens.
    Dense {
        /// Gate and up projections.
        gate_up: GateUpPlan,
        /// Down projection.
        down: Product,
        /// Width between them.
        hidden_len: u32,
    },
    /// A mixture of experts.
    Experts(Box<ExpertsPlan>),
}

/// A matrix with the rows of all experts, one expert after the other, and their biases in the same order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpertMatrix {
    /// `[count][rows of an expert][columns]`
    pub weights: MatrixId,
    /// `[count][rows of an expert]`
    pub bias: Option<VectorId>,
}

/// Gate and up projections of all experts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpertsGateUp {
    /// Only an up projection.
    Ungated(ExpertMatrix),
    /// One matrix: an expert's rows are those of its gate, then those of its up projection.
    Merged(ExpertMatrix),
    /// Separate.
    Apart {
        /// Gate projection.
        gate: ExpertMatrix,
        /// Up projection.
        up: ExpertMatrix,
    },
}

/// The tensors of a mixture of experts.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpertsPlan {
    /// Number, width and choice of experts.
    pub config: ExpertConfig,
    /// Computes the experts' scores, and then the gate of the shared expert, if that has one.
    pub router: Product,
    /// Added to the experts' scores: `[count]`.
    pub router_bias: Option<VectorId>,
    /// Added to the experts' likelihoods for the choice only: `[count]`.
    pub bias: Option<VectorId>,
    /// Factors of the experts' weights: `[count]`.
    pub scales: Option<VectorId>,
    /// Gate and up projections.
    pub gate_up: ExpertsGateUp,
    /// Down projection.
    pub down: ExpertMatrix,
    /// The expert that all tokens share.
    pub shared: Option<SharedExpertPlan>,
    /// Projections to the narrower space in which the others work, and back.
    pub latent: Option<LatentExpertsPlan>,
    /// Norms, if router, experts and the shared expert have their own. The norm before the feed-forward part is then that
    /// before the shared expert.
    pub norms: Option<ExpertNormsPlan>,
}

/// RMS norms of router, experts and the shared expert, which all start from the hidden state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpertNormsPlan {
    /// Of the router's input. The scores are then divided by the root of the width.
    pub router: VectorId,
    /// Of the experts' input.
    pub input: VectorId,
    /// Of the sum of their outputs.
    pub output: VectorId,
    /// Of the shared expert's output.
    pub shared_output: VectorId,
}

/// Projections to a narrower space, in which experts work, and back.
#[derive(Debug, Clone, PartialEq)]
pub struct LatentExpertsPlan {
    /// From the hidden state.
    pub down: Product,
    /// To the hidden state.
    pub up: Product,
}

impl ExpertsPlan {
    /// Whether the router's last score is the gate of the shared expert.
    pub fn is_gated(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.is_gated)
    }

    /// Number of the router's scores per token.
    pub fn score_rows(&self) -> u32 {
        self.config.count + u32::from(self.is_gated())
    }
}

/// The tensors of an expert that all tokens share.
#[derive(Debug, Clone, PartialEq)]
pub struct SharedExpertPlan {
    /// Width of its hidden layer.
    pub hidden_len: u32,
    /// Gate and up projections.
    pub gate_up: GateUpPlan,
    /// Down projection.
    pub down: Product,
    /// The router computes a gate for its output.
    pub is_gated: bool,
}

/// The tensors of attention.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionPlan {
    /// Query, key and value projections; in latent attention only the one to keys.
    pub qkv: Product,
    /// Their biases.
    pub qkv_bias: Option<VectorId>,
    /// RMS norms of queries, and of keys if the layer computes any.
    pub head_norms: Option<(VectorId, Option<VectorId>)>,
    /// The other tensors of latent attention.
    pub latent: Option<LatentPlan>,
    /// Scores that take part in each head's softmax without a value: `[heads]`.
    pub sinks: Option<VectorId>,
    /// Output projection.
    pub output: Product,
    /// Its bias.
    pub output_bias: Option<VectorId>,
}

/// The tensors of latent attention, see [`LatentConfig`](super::LatentConfig).
#[derive(Debug, Clone, PartialEq)]
pub struct LatentPlan {
    /// Compression of queries and its RMS norm; `None` if they are not compressed.
    pub compressed_query: Option<(Product, VectorId)>,
    /// Projection to queries: `[heads][key_dim + rope_dim]` rows.
    pub query: Product,
    /// RMS norm of the latent vector.
    pub norm: VectorId,
    /// Expands a latent vector to keys, transposed for each head: `[heads][rank][key_dim]`.
    pub keys: MatrixId,
    /// Expands a latent vector to values: `[heads][value_dim][rank]`.
    pub values: MatrixId,
}

/// The tensors of a gated short convolution.
#[derive(Debug, Clone, PartialEq)]
pub struct ShortConvolutionPlan {
    /// Projection to gates of the input, gates of the output and the input: `channels` rows each.
    pub input: Product,
    /// Weights: `[channels][taps]`.
    pub taps: VectorId,
    /// Output projection.
    pub output: Product,
}

/// The tensors of a gated delta net.
#[derive(Debug, Clone, PartialEq)]
pub struct DeltaNetPlan {
    /// Projection to queries, keys and values, output gates, update factors (beta) and decay exponents (alpha).
    pub input: Product,
    /// Weights of the convolution: `[channels][taps]`.
    pub taps: VectorId,
    /// Bias of the decay's exponents: `[value_heads]`.
    pub decay_bias: VectorId,
    /// Factor of the decay's exponents: `[value_heads]`.
    pub decay: VectorId,
    /// Norm of a head's output: `[head_dim]`.
    pub norm: VectorId,
    /// Output projection.
    pub output: Product,
}

/// The tensors of a state space.
#[derive(Debug, Clone, PartialEq)]
pub struct StateSpacePlan {
    /// Projection to output gates, the heads' inputs, B, C and step sizes.
    pub input: Product,
    /// Weights of the convolution: `[channels][taps]`.
    pub taps: VectorId,
    /// Bias of the convolution: `[channels]`.
    pub taps_bias: VectorId,
    /// Bias of the step sizes: `[heads]`.
    pub step_bias: VectorId,
    /// Factor of the decay's exponents: `[heads]`.
    pub decay: VectorId,
    /// Factor of a head's input in its output: `[heads]`.
    pub skip: VectorId,
    /// Norm of each group's gated output: `[groups][inner_len / groups]`.
    pub norm: Option<VectorId>,
    /// Output projection.
    pub output: Product,
}

/// The tensors of a mixer.
#[derive(Debug, Clone, PartialEq)]
pub enum MixerPlan {
    /// Attention.
    Attention(AttentionPlan),
    /// Gated short convolution.
    ShortConvolution(ShortConvolutionPlan),
    /// Gated delta net.
    DeltaNet(DeltaNetPlan),
    /// State space.
    StateSpace(StateSpacePlan),
}

/// The tensors with which a layer predicts and corrects the vectors of the hidden state.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerStreamsPlan {
    /// RMS norm of the router's input, which is then divided by the width.
    pub router_norm: VectorId,
    /// The router, whose outputs go through tanh: `[streams]` rows.
    pub router: Product,
    /// Computes the coefficients of predictions from these outputs: `[streams][streams][streams]`.
    pub predict: VectorId,
    /// Computes the factors of corrections, less one: `[streams][streams]`.
    pub correct: VectorId,
    /// Scale of the first vector, corrected, as the input of the gates of the layer's own input: `[embedding_len]`.
    pub gate_scale: VectorId,
}

/// The tensors of a model whose hidden state consists of several vectors, before and after the layers.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamsPlan {
    /// Computes the other vectors from the first: `[streams - 1][embedding_len]` rows.
    pub expand: Product,
    /// Projects each of the others: `[streams - 1][embedding_len][embedding_len]`.
    pub merge: MatrixId,
}

/// The tensors of a low-rank projection beside the mixers: `x + norm(up down x)`.
#[derive(Debug, Clone, PartialEq)]
pub struct LowRankPlan {
    /// Projection to a few elements.
    pub down: Product,
    /// Projection back.
    pub up: Product,
    /// RMS norm of the result.
    pub norm: VectorId,
}

/// The tensors of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerPlan {
    /// Predictions and corrections of the hidden state's vectors.
    pub streams: Option<LayerStreamsPlan>,
    /// Norm before the mixers.
    pub mixer_norm: Option<VectorId>,
    /// The mixers.
    pub mixers: Vec<MixerPlan>,
    /// A projection beside them.
    pub low_rank: Option<LowRankPlan>,
    /// RMS norm after each mixer.
    pub mixer_post_norm: Option<VectorId>,
    /// Norm before the feed-forward part, unless its input is the mixer's.
    pub feed_forward_norm: Option<VectorId>,
    /// The feed-forward part.
    pub feed_forward: Option<FeedForwardPlan>,
    /// RMS norm after the feed-forward part.
    pub feed_forward_post_norm: Option<VectorId>,
    /// The input that belongs to the layer alone.
    pub input: Option<LayerInputPlan>,
    /// Factor of the hidden state after the layer: one element.
    pub scale: Option<VectorId>,
}

/// The tensors that add a layer's own input, after its feed-forward part: `hidden += norm(output (activation(gate
/// hidden) * input))`.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerInputPlan {
    /// Elements of the input.
    pub len: u32,
    /// Computes gates from the hidden state.
    pub gate: Product,
    /// Output projection.
    pub output: Product,
    /// RMS norm of the output.
    pub norm: VectorId,
}

/// The tensors that compute the inputs of all layers: `(norm(projection embedding) + table[id]) / sqrt(2)`.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerInputsPlan {
    /// Elements of a layer's input.
    pub len: u32,
    /// A row for each token, with the inputs of all layers.
    pub table: Product,
    /// Computes as many elements from the embedding.
    pub projection: Product,
    /// RMS norm of a layer's part of these.
    pub norm: VectorId,
}

/// All weights on the device.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WeightPlan {
    /// All matrices.
    pub matrices: Vec<MatrixPlan>,
    /// All vectors.
    pub vectors: Vec<VectorPlan>,
    /// Tensors that are converted to some of the matrices.
    pub expansions: Vec<ExpansionPlan>,
    /// Tensors that are rearranged.
    pub arranged: Vec<ArrangedPlan>,
    /// Names of tensors that stay on the host.
    pub host: Vec<String>,
    /// Names of tensors that are not needed.
    pub ignored: Vec<String>,
}

impl WeightPlan {
    /// Size on the device in bytes.
    pub fn len_bytes(&self) -> u64 {
        let matrices =
            self.matrices.iter().map(|matrix| stream_bytes(matrix.tensor_type, matrix.rows, matrix.cols).total());
        matrices.sum::<u64>() + self.vectors.iter().map(|vector| u64::from(vector.len()) * 4).sum::<u64>()
    }
}

/// The tensors of a generative model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelPlan {
    /// All matrices and vectors.
    pub weights: WeightPlan,
    /// Token embedding.
    pub embedding: Product,
    /// Inputs of the layers.
    pub layer_inputs: Option<LayerInputsPlan>,
    /// The vectors of the hidden state, if there are several.
    pub streams: Option<StreamsPlan>,
    /// Layers, in order.
    pub layers: Vec<LayerPlan>,
    /// Norm before the output head.
    pub output_norm: VectorId,
    /// Output head; the same as `embedding` if the two are tied.
    pub output: Product,
    /// What an embedding model or a ranker computes in place of logits.
    pub head: Option<HeadPlan>,
}

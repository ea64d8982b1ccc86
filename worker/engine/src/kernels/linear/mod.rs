//! Dispatches of matrix products: `linear.wgsl`, `matvec.wgsl`, `matvec_integers.wgsl`, `tiled.wgsl`,
//! `tiled_packed.wgsl` and `cooperative.wgsl`.

mod layout;
pub mod reference;

pub use layout::{
    COOPERATIVE_SUBGROUP, COOPERATIVE_TILE_BYTES, COOPERATIVE_WORKGROUP, LinearTuning, SHARED_TILE_BYTES, Tiles,
};

use layout::{LEAST_WORKGROUP_BYTES, TILE_LANES};

use super::{CacheLayout, GROUP_UNIT, Grid, Shader, format_name};
use crate::gguf::{Codebook, Group, TensorType};
use crate::models::{Activation, CacheFormat, HeadShape};

/// Maximum number of workgroups in one dimension of a dispatch (WebGPU's default limit).
const MAX_GRID: u32 = 65_535;
/// Maximum of columns times splits for inputs that each workgroup merges: more would take longer than a dispatch.
pub const MAX_MERGED_LEN: u32 = 1 << 15;

/// Operations that are fused after the matrix product.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Epilogue {
    /// `y = scale W x`, with a soft cap if given.
    Store {
        /// Factor of the product.
        scale: f32,
        /// Results become `softcap * tanh(result / softcap)`.
        softcap: Option<f32>,
    },
    /// `y += scale W x`
    AddTo {
        /// Factor of the product.
        scale: f32,
    },
    /// `y = activation(W x)`
    Activate(Activation),
    /// The same in f16, as [`halve`] leaves it; the output has an even number of rows.
    ActivateHalves(Activation),
    /// `y = activation(W x) * input[at..]`, where the input has `len` elements per token.
    GateInput {
        /// The activation function.
        activation: Activation,
        /// Offset in a token's input.
        at: u32,
        /// Elements of the input per token.
        len: u32,
    },
    /// `y = activation(y) * (W x)`; some activations also change the second factor.
    Gate(Activation),
    /// `y = activation(W[..rows / 2] x) * (W[rows / 2..] x)`, with `rows` per expert if there are any; likewise.
    Gated(Activation),
    /// RoPE; then queries go to a buffer, keys and values to the cache.
    Qkv {
        /// Shapes of the heads.
        heads: HeadShape,
        /// The KV cache, of f16.
        cache: CacheLayout,
    },
}

impl Epilogue {
    /// `y = W x`
    pub const STORE: Self = Self::Store { scale: 1.0, softcap: None };
    /// `y += W x`
    pub const ADD: Self = Self::AddTo { scale: 1.0 };
}

/// Experts of a product: the matrix holds `rows` rows per expert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpertRows {
    /// Rows per expert.
    pub rows: u32,
    /// Number of experts used per token.
    pub used: u32,
    /// All experts of a token have the same input; otherwise each has its own.
    pub shares_input: bool,
}

impl ExpertRows {
    /// Number of inputs per token.
    pub fn inputs(&self) -> u32 {
        if self.shares_input { 1 } else { self.used }
    }
}

/// A product for each head: the matrix holds `rows` rows per head, and each head has its own input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadRows {
    /// Number of heads.
    pub heads: u32,
    /// Rows per head.
    pub rows: u32,
    /// Elements from the start of a head's input to that of the next, a multiple of four.
    pub input_stride: u32,
}

/// The splits of one token's attention, which the product merges as it reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergedParts {
    /// Number of splits per head.
    pub splits: u32,
    /// Elements of a head's value.
    pub value_dim: u32,
}

/// A matrix product with its compile-time options.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Linear {
    /// Format of the weights.
    pub tensor_type: TensorType,
    /// Rows of the matrix (outputs).
    pub rows: u32,
    /// Columns of the matrix (inputs), a multiple of 32.
    pub cols: u32,
    /// The output row that the matrix's first row computes.
    pub first_row: u32,
    /// Rows of the whole output.
    pub out_rows: u32,
    /// Epsilon of the RMS norm before the matrix, if there is one.
    pub norm_eps: Option<f32>,
    /// Whether a vector is added to the product; each expert has its own.
    pub bias: bool,
    /// Each token uses the rows of its experts. Tiles take tokens of one expert; other layouts require one token per
    /// thread.
    pub experts: Option<ExpertRows>,
    /// Each head has its own rows and its own input; not with experts or tiles.
    pub heads: Option<HeadRows>,
    /// The input is one token's attention result in splits; requires several lanes, and at most [`MAX_MERGED_LEN`].
    pub merge: Option<MergedParts>,
    /// Operations fused after the product.
    pub epilogue: Epilogue,
    /// Layout of the kernel.
    pub tuning: LinearTuning,
}

impl Linear {
    /// Number of row pairs in a token's product. The epilogue determines which rows form a pair.
    pub(crate) fn pairs(&self) -> u32 {
        match self.epilogue {
            Epilogue::Gated(_) => self.product_rows() / 2,
            _ => self.product_rows().div_ceil(2),
        }
    }

    /// Number of rows in a token's product, with one expert, or one head.
    pub(crate) fn product_rows(&self) -> u32 {
        self.experts.map(|experts| experts.rows).or(self.heads.map(|heads| heads.rows)).unwrap_or(self.rows)
    }

    /// Number of products per token: one for each expert used, or for each head.
    pub(crate) fn slots(&self) -> u32 {
        self.experts.map(|experts| experts.used).or(self.heads.map(|heads| heads.heads)).unwrap_or(1)
    }

    /// Whether the kernel needs a list of the slots by expert ([`group`](super::experts::group)).
    pub fn is_grouped(&self) -> bool {
        self.experts.is_some() && self.tuning.tiles != Tiles::None
    }

    /// Workgroups of the dispatch.
    pub fn grid(&self) -> Grid {
        let (xy, [_, tokens]) = (self.grid_xy(), self.tuning.tile());
        let Some(experts) = self.experts.filter(|_| self.is_grouped()) else {
            return Grid::TokensInZ { xy, tokens_per_group: tokens, groups_per_token: self.slots() };
        };
        debug_assert!(GROUP_UNIT.is_multiple_of(tokens), "no tile has tokens of two groups");
        Grid::GroupsInZ { xy, slots: experts.used, groups: self.rows / experts.rows, tile: tokens }
    }

    fn grid_xy(&self) -> [u32; 2] {
        let groups = self.pairs().div_ceil(self.tuning.tile()[0]);
        let y = groups.div_ceil(MAX_GRID);
        [groups.div_ceil(y), y]
    }

    /// The shader, or `None` if the format has no kernel.
    pub fn shader(&self) -> Option<Shader> {
        let tuning = self.tuning;
        let shader = match tuning.tiles {
            Tiles::None if tuning.has_lanes() => self.matvec(),
            Tiles::None => Shader::new("linear/linear.wgsl"),
            Tiles::Shared => self.tiled("linear/tiled.wgsl"),
            Tiles::Packed => self.tiled("linear/tiled_packed.wgsl"),
            Tiles::Cooperative => self.cooperative(),
        };
        self.declare(shader)
    }

    /// Declares what `product_bindings.wgsl` needs, including format and epilogue; `None` if the format has no kernel.
    pub(super) fn declare(&self, shader: Shader) -> Option<Shader> {
        let tuning = self.tuning;
        let shader = shader
            .part("FORMAT", format_name(self.tensor_type)?)
            .define_if(self.norm_eps.is_some(), "NORM")
            .define_if(self.bias, "BIAS")
            .define_if(self.experts.is_some(), "EXPERTS")
            .define_if(self.heads.is_some(), "PER_HEAD")
            .constant("SLOTS", self.slots())
            .constant("X_STRIDE", self.heads.map_or(self.cols, |heads| heads.input_stride) / 4)
            .constant("X_SHARE", self.experts.map_or(1, |experts| experts.used / experts.inputs()))
            .constant("FIRST_ROW", self.first_row)
            .constant("OUT_ROWS", self.out_rows)
            .constant("ROWS", self.product_rows())
            .constant("COLS", self.cols)
            .constant("BLOCKS", self.cols / 32)
            .constant("PAIRS", self.pairs())
            .constant("WORKGROUP", tuning.workgroup)
            .constant("THREAD_PAIRS", tuning.pairs)
            .constant("TOKENS", tuning.tokens)
            .constant("GRID_X", self.grid_xy()[0])
            .float("EPS", self.norm_eps.unwrap_or_default());
        Some(match self.epilogue {
            Epilogue::Store { scale, softcap } => store(shader, scale)
                .define_if(softcap.is_some(), "SOFTCAP")
                .float("SOFTCAP_LIMIT", softcap.unwrap_or(1.0)),
            Epilogue::AddTo { scale } => store(shader, scale).define_if(true, "RESIDUAL"),
            Epilogue::Activate(activation) => {
                with_activation(store(shader, 1.0), activation).define_if(true, "ACTIVATE")
            }
            Epilogue::ActivateHalves(activation) => {
                debug_assert!(self.out_rows.is_multiple_of(2), "halves are stored in pairs");
                with_activation(store(shader, 1.0), activation).define_if(true, "ACTIVATE").define_if(true, "HALVES")
            }
            Epilogue::GateInput { activation, at, len } => with_activation(store(shader, 1.0), activation)
                .define_if(true, "ACTIVATE")
                .define_if(true, "GATES_INPUT")
                .constant("INPUT_AT", at)
                .constant("INPUT_LEN", len),
            Epilogue::Gate(activation) => with_activation(store(shader, 1.0), activation).define_if(true, "GATE"),
            Epilogue::Gated(activation) => with_activation(shader.part("EPILOGUE", "gated"), activation),
            Epilogue::Qkv { heads, cache } => {
                debug_assert!(cache.format != CacheFormat::Q8, "a pair of rows has no scale");
                with_heads(shader.part("EPILOGUE", "qkv"), &heads, &cache)
            }
        })
    }

    /// Declares what only `tiled.wgsl` and `tiled_packed.wgsl` use.
    fn tiled(&self, file: &'static str) -> Shader {
        debug_assert!(self.heads.is_none(), "heads do not share a tile");
        let [pairs, tokens] = self.tuning.tile();
        // Only groups of experts often leave parts of a tile empty.
        let parts = if self.experts.is_some() { 2 } else { 1 };
        Shader::new(file)
            .constant("LANES", TILE_LANES)
            .constant("TILE_PAIRS", pairs)
            .constant("TILE_TOKENS", tokens)
            .constant("PARTS", parts)
            .constant("PART_TOKENS", self.tuning.tokens / parts)
            .constant("ROW_LOADS", 2 * pairs / self.tuning.workgroup)
            .constant("TOKEN_LOADS", 8 * tokens / self.tuning.workgroup)
    }

    /// Declares what only `cooperative.wgsl` uses.
    fn cooperative(&self) -> Shader {
        debug_assert!(self.heads.is_none(), "heads do not share a tile");
        debug_assert!(self.norm_eps.is_none(), "`halve` applies it");
        let LinearTuning { workgroup, steps, unroll, coalesced, .. } = self.tuning;
        let [pairs, tokens] = self.tuning.tile();
        let has_halves = coalesced && self.tensor_type == TensorType::F16;
        // Of a row's or a token's columns in a step: blocks, or groups of four.
        let parts = |is_coalesced: bool| if is_coalesced { 8 * steps } else { steps };
        let (row_parts, token_parts) = (2 * pairs * parts(has_halves), tokens * parts(coalesced));
        debug_assert!(row_parts.is_multiple_of(workgroup), "all threads load as many parts of rows");
        debug_assert!((2 * steps).is_multiple_of(unroll), "all turns of the loop are alike");
        Shader::new("linear/cooperative.wgsl")
            .constant("ROW_TILES", self.tuning.pairs)
            .constant("TOKEN_TILES", self.tuning.tokens)
            .constant("ROW_GROUPS", self.tuning.row_groups)
            .constant("TOKEN_GROUPS", self.tuning.token_groups())
            .constant("TILE_TOKENS", tokens)
            .constant("STEP_BLOCKS", steps)
            .constant("UNROLL", unroll)
            .define_if(self.tuning.prefetch, "PREFETCH")
            .define_if(coalesced, "COALESCED")
            .define_if(has_halves, "WEIGHT_HALVES")
            .constant("SUBGROUP", COOPERATIVE_SUBGROUP)
            .constant("PAIR_TURNS", 128 / COOPERATIVE_SUBGROUP)
            .constant("ROW_PARTS", parts(has_halves))
            .constant("TOKEN_PARTS", parts(coalesced))
            .constant("ROW_LOADS", row_parts / workgroup)
            .constant("TOKEN_LOADS", token_parts.div_ceil(workgroup))
            .define_if(token_parts < workgroup, "FEW_TOKENS")
    }

    /// Blocks whose quants a vec4 holds.
    fn span(&self) -> u32 {
        let group = Group::of(self.tensor_type);
        (16 * group.blocks / group.quants) as u32
    }

    /// Whether workgroups copy the format's codebook to their memory: there is one, and it fits beside the inputs' tile
    /// and sums of threads.
    fn shares_codebook(&self) -> bool {
        let Some(codebook) = Codebook::of(self.tensor_type).filter(|_| self.tuning.shared_codebook) else {
            return false;
        };
        let LinearTuning { workgroup, lanes, steps, tokens, subgroup, integers, .. } = self.tuning;
        let tile_bytes = if integers { 44 * lanes * steps.max(self.span()) } else { 128 * (lanes * steps + 1) };
        // With several tokens also all products, and the norm's factors.
        let result_bytes = if tokens > 1 { 8 * self.tuning.tile()[0] + 4 } else { 0 };
        let sum_bytes = 8 * (workgroup / subgroup.min(workgroup));
        let bytes = 4 * codebook.word_count() as u32 + tokens * (tile_bytes + result_bytes) + sum_bytes;
        bytes <= LEAST_WORKGROUP_BYTES
    }

    /// Whether threads load weights before the input has arrived: with one token if they have so few that they can hold
    /// them.
    fn has_weights_first(&self) -> bool {
        let LinearTuning { lanes, steps, pairs, tokens, prefetch, .. } = self.tuning;
        let holds_them = if tokens > 1 { prefetch } else { pairs == 1 && self.cols / 32 <= 2 * lanes };
        steps == 1 && holds_them
    }

    /// Declares what only `matvec_integers.wgsl` uses.
    fn matvec_integers(&self) -> Shader {
        debug_assert!(has_codes(self.tensor_type), "the format has codes");
        debug_assert!(self.heads.is_none(), "the kernel rounds whole inputs");
        let LinearTuning { workgroup, lanes, steps, tokens, subgroup, .. } = self.tuning;
        let span = self.span();
        let units = (steps / span).max(1);
        Shader::new("linear/matvec_integers.wgsl")
            .define_if(subgroup >= 4, "SHUFFLE_FOURS")
            .constant("SPAN", span)
            .constant("UNITS", units)
            .constant("TILE_LOADS", (4 * lanes * units * span).div_ceil(workgroup / tokens))
    }

    /// Declares what only `matvec.wgsl` and `matvec_integers.wgsl` use.
    fn matvec(&self) -> Shader {
        let LinearTuning { workgroup, lanes, steps, tokens, integers, .. } = self.tuning;
        debug_assert!(tokens == 1 || self.experts.is_none(), "each token has its own rows");
        debug_assert!(tokens == 1 || self.merge.is_none(), "parts are those of one token");
        debug_assert!(workgroup.is_multiple_of(tokens), "as many threads load the input of each token");
        let shader = if integers {
            self.matvec_integers()
        } else {
            Shader::new("linear/matvec.wgsl")
                .define_if(self.has_weights_first(), "WEIGHTS_FIRST")
                .constant("STEPS", steps)
                .constant("TILE_LOADS", tile_loads(lanes * steps, workgroup / tokens))
        };
        let shader = self
            .tuning
            .declare_subgroups(shader)
            .define_if(tokens > 1, "SEVERAL_TOKENS")
            .define_if(self.shares_codebook(), "SHARED_CODEBOOK")
            .define_if(self.merge.is_some(), "MERGE")
            .constant("LANES", lanes);
        match self.merge {
            Some(parts) => shader.constant("SPLITS", parts.splits).constant("VALUE_DIM", parts.value_dim),
            None => shader,
        }
    }
}

/// Converts the inputs of a cooperative product, `inputs` per token with `cols` columns each, to f16, after an RMS norm
/// if there is an epsilon.
pub fn halve(inputs: u32, cols: u32, norm_eps: Option<f32>) -> (Shader, Grid) {
    let shader = Shader::new("linear/halve.wgsl")
        .define_if(norm_eps.is_some(), "NORM")
        .constant("LEN", cols)
        .constant("INPUTS", inputs)
        .constant("WORKGROUP", 128)
        .float("EPS", norm_eps.unwrap_or_default());
    (shader, Grid::TokensInY { x: inputs, z: 1 })
}

/// Number of 4-element vectors per thread when so many threads load a tile of `blocks` input blocks.
pub(super) fn tile_loads(blocks: u32, threads: u32) -> u32 {
    (8 * blocks).div_ceil(threads)
}

/// Converts the inputs of a packed product, `inputs` per token with `cols` columns each, to integers, after an RMS norm
/// if there is an epsilon.
pub fn quantise(inputs: u32, cols: u32, norm_eps: Option<f32>) -> (Shader, Grid) {
    let shader = Shader::new("linear/quantise.wgsl")
        .define_if(norm_eps.is_some(), "NORM")
        .constant("COLS", cols)
        .constant("BLOCKS", cols / 32)
        .constant("INPUTS", inputs)
        .constant("WORKGROUP", 128)
        .float("EPS", norm_eps.unwrap_or_default());
    (shader, Grid::TokensInY { x: inputs, z: 1 })
}

/// Whether the weights of a format are integers of at most 8 bits with one scale and offset per 32.
pub fn has_integers(tensor_type: TensorType) -> bool {
    matches!(
        tensor_type,
        TensorType::Q4_0
            | TensorType::Q4_1
            | TensorType::Q4_K
            | TensorType::Q5_0
            | TensorType::Q5_1
            | TensorType::Q5_K
            | TensorType::Q8_0
    )
}

/// Whether the weights of a format take so few bits that decode is bound by unpacking them, and are integers of at most 8
/// bits with a scale per 16 or more.
pub fn has_codes(tensor_type: TensorType) -> bool {
    matches!(
        tensor_type,
        TensorType::Q1_0
            | TensorType::Q2_0
            | TensorType::TQ1_0
            | TensorType::TQ2_0
            | TensorType::IQ1_S
            | TensorType::IQ1_M
            | TensorType::IQ2_XXS
            | TensorType::IQ2_XS
            | TensorType::IQ2_S
            | TensorType::IQ3_XXS
            | TensorType::IQ3_S
    )
}

fn store(shader: Shader, scale: f32) -> Shader {
    shader.part("EPILOGUE", "store").float("SCALE", scale)
}

/// Declares what `activation.wgsl` needs.
pub(super) fn with_activation(shader: Shader, activation: Activation) -> Shader {
    shader
        .define_if(activation == Activation::GeluTanh, "GELU_TANH")
        .define_if(activation == Activation::GeluErf, "GELU_ERF")
        .define_if(activation == Activation::QuickGelu, "QUICK_GELU")
        .define_if(activation == Activation::ReluSquared, "RELU_SQUARED")
        .define_if(activation == Activation::ClampedSwiglu, "CLAMPED_SWIGLU")
}

/// Declares what `epilogues/qkv.wgsl` needs, except for `FIRST_ROW`.
pub(super) fn with_heads(shader: Shader, heads: &HeadShape, cache: &CacheLayout) -> Shader {
    cache
        .declare(shader)
        .constant("ROW_WORDS", cache.format.row_words(heads.key_len()))
        .constant("VALUE_ROW_WORDS", cache.format.row_words(heads.value_len()))
        .define_if(heads.rope_half, "ROPE_HALF")
        .constant("HEADS", heads.heads)
        .constant("KV_HEADS", heads.kv_heads)
        .constant("HEAD_DIM", heads.head_dim)
        .constant("VALUE_DIM", heads.value_dim)
        .constant("ROPE_DIM", heads.rope_dim)
        .constant("VALUE_OFFSET", cache.value_offset)
}

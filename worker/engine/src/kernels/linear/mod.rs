//! Dispatch of matrix products: `linear.wgsl`, `matvec.wgsl`, `tiled.wgsl` and `cooperative.wgsl`.

pub mod reference;

use super::Grid;
use super::{Shader, format_name};
use crate::gguf::TensorType;
use crate::models::{Activation, CacheFormat, HeadShape};

/// Most workgroups in one dimension of a dispatch (the WebGPU default limit).
const MAX_GRID: u32 = 65_535;
/// Most columns times parts of an input that each workgroup puts together: more would take longer than a dispatch.
pub const MAX_MERGED_LEN: u32 = 1 << 15;

/// What is fused in after the matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Epilogue {
    /// `y = scale W x`, softly bounded by `softcap`.
    Store {
        /// Factor.
        scale: f32,
        /// Bound that results approach by tanh.
        softcap: Option<f32>,
    },
    /// `y += scale W x`
    AddTo {
        /// Factor.
        scale: f32,
    },
    /// `y = activation(W x)`
    Activate(Activation),
    /// `y = activation(y) * (W x)`
    Gate(Activation),
    /// `y = activation(W[..rows / 2] x) * (W[rows / 2..] x)`
    Gated(Activation),
    /// RoPE, then queries to a buffer and keys and values to the cache.
    Qkv {
        /// Shapes of the heads.
        heads: HeadShape,
        /// First word of the values in the cache.
        value_offset: u32,
    },
}

impl Epilogue {
    /// `y = W x`
    pub const STORE: Self = Self::Store { scale: 1.0, softcap: None };
    /// `y += W x`
    pub const ADD: Self = Self::AddTo { scale: 1.0 };
}

/// Experts of a product: the matrix holds `rows` rows for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpertRows {
    /// Rows of an expert.
    pub rows: u32,
    /// Experts that a token takes.
    pub used: u32,
    /// All experts of a token have the same input; otherwise each has its own.
    pub shares_input: bool,
}

/// How products for many tokens share what they load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tiles {
    /// Each thread loads for itself (`linear.wgsl`), or there is one token only.
    None,
    /// Through workgroup memory (`tiled.wgsl`): [`LinearTuning::pairs`] and [`LinearTuning::tokens`] are a thread's.
    Shared,
    /// The same with integers of 8 bits (`tiled_packed.wgsl`), for formats that have them ([`has_integers`]): the input comes from
    /// [`quantise`].
    Packed,
    /// On the adapter's matrix units (`cooperative.wgsl`), with f16 products: the input comes from [`halve`].
    /// [`LinearTuning::pairs`] and [`LinearTuning::tokens`] are a subgroup's matrices along rows and tokens, and
    /// [`LinearTuning::steps`] the blocks between two barriers.
    Cooperative,
}

/// Threads of a workgroup of `tiled.wgsl` side by side along the rows.
const TILE_LANES: u32 = 16;
/// Subgroups of a workgroup of `cooperative.wgsl` along rows and tokens.
const COOPERATIVE_GROUPS: [u32; 2] = [2, 4];
/// Bytes of workgroup memory that `tiled.wgsl` needs as it is used.
pub const SHARED_TILE_BYTES: u32 = 26_880;
/// Bytes of workgroup memory that `cooperative.wgsl` and, for the largest heads, `attention_cooperative.wgsl` need.
pub const COOPERATIVE_TILE_BYTES: u32 = 49_152;
/// Threads of a subgroup that `cooperative.wgsl` is laid out for.
pub const COOPERATIVE_SUBGROUP: u32 = 32;
/// Threads of a workgroup of `cooperative.wgsl`.
pub const COOPERATIVE_WORKGROUP: u32 = COOPERATIVE_SUBGROUP * COOPERATIVE_GROUPS[0] * COOPERATIVE_GROUPS[1];

/// How a kernel is laid out on the adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinearTuning {
    /// Threads a workgroup, a power of two.
    pub workgroup: u32,
    /// Threads that share a pair of rows, a power of two of at most `workgroup`. More than one takes `matvec.wgsl`, for one token only.
    pub lanes: u32,
    /// Blocks of 32 columns that each of several lanes takes from a tile of the input.
    pub steps: u32,
    /// Pairs of rows a thread computes.
    pub pairs: u32,
    /// Tokens a thread computes.
    pub tokens: u32,
    /// How threads share what they load.
    pub tiles: Tiles,
    /// Threads whose sums are added by subgroup operations, a power of two; 1 uses none.
    pub subgroup: u32,
    /// Prepend `enable subgroups;` (a browser wants it, naga rejects it).
    pub subgroup_enable: bool,
}

impl LinearTuning {
    /// Whether neighbouring threads share rows.
    pub fn has_lanes(&self) -> bool {
        self.lanes > 1
    }

    /// Declares what `span_sum.wgsl` needs but the workgroup.
    pub(super) fn declare_subgroups(&self, shader: Shader) -> Shader {
        shader
            .define_if(self.subgroup > 1, "SUBGROUP_REDUCE")
            .define_if(self.subgroup > 1 && self.subgroup_enable, "SUBGROUP_ENABLE")
            .constant("SUBGROUP", self.subgroup.min(self.workgroup))
    }

    /// The layout of [`Tiles::Packed`] for one of [`Tiles::Shared`]: what is loaded is smaller, and fewer tokens a thread are faster.
    #[must_use]
    pub fn packed(self) -> Self {
        Self { tiles: Tiles::Packed, tokens: self.tokens / 2, ..self }
    }

    /// The opposite, for formats without integers.
    #[must_use]
    pub fn unpacked(self) -> Self {
        Self { tiles: Tiles::Shared, tokens: self.tokens * 2, ..self }
    }

    /// Whether inputs are prepared by a kernel before the product.
    pub fn prepares_inputs(&self) -> bool {
        matches!(self.tiles, Tiles::Packed | Tiles::Cooperative)
    }

    /// Pairs of rows and tokens of a workgroup.
    pub(crate) fn tile(&self) -> [u32; 2] {
        match self.tiles {
            Tiles::None => [self.pairs * (self.workgroup / self.lanes), self.tokens],
            Tiles::Shared | Tiles::Packed => [self.pairs * TILE_LANES, self.tokens * (self.workgroup / TILE_LANES)],
            Tiles::Cooperative => {
                [16 * self.pairs * COOPERATIVE_GROUPS[0] / 2, 16 * self.tokens * COOPERATIVE_GROUPS[1]]
            }
        }
    }
}

/// Parts of one token's attention, which the product puts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergedParts {
    /// Workgroups that left a part of each head.
    pub splits: u32,
    /// Elements of a head.
    pub head_dim: u32,
}

/// A matrix product to be compiled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Linear {
    /// Format of the weights.
    pub tensor_type: TensorType,
    /// Rows of the matrix (outputs).
    pub rows: u32,
    /// Columns of the matrix (inputs), a multiple of 32.
    pub cols: u32,
    /// The output row that the first row computes.
    pub first_row: u32,
    /// Rows of the whole output.
    pub out_rows: u32,
    /// Epsilon of the RMS norm before the matrix, if there is one.
    pub norm_eps: Option<f32>,
    /// A vector is added to the product.
    pub bias: bool,
    /// Each token has its own rows; needs one token a thread.
    pub experts: Option<ExpertRows>,
    /// The input comes in parts; needs several lanes, and at most [`MAX_MERGED_LEN`].
    pub merge: Option<MergedParts>,
    /// What comes after.
    pub epilogue: Epilogue,
    /// Layout.
    pub tuning: LinearTuning,
}

impl Linear {
    /// Pairs of rows that a token is multiplied with; which rows form one is the epilogue's choice.
    pub(crate) fn pairs(&self) -> u32 {
        match self.epilogue {
            Epilogue::Gated(_) => self.rows / 2,
            _ => self.product_rows().div_ceil(2),
        }
    }

    /// Rows that a token is multiplied with.
    pub(crate) fn product_rows(&self) -> u32 {
        self.experts.map_or(self.rows, |experts| experts.rows)
    }

    /// The dispatch's workgroups.
    pub fn grid(&self) -> Grid {
        Grid::TokensInZ {
            xy: self.grid_xy(),
            tokens_per_group: self.tuning.tile()[1],
            groups_per_token: self.experts.map_or(1, |experts| experts.used),
        }
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

    /// Declares what `product_bindings.wgsl` needs, with its format and its epilogue, or gives `None` if the format has no kernel.
    pub(super) fn declare(&self, shader: Shader) -> Option<Shader> {
        let tuning = self.tuning;
        let shader = shader
            .part("FORMAT", format_name(self.tensor_type)?)
            .define_if(self.norm_eps.is_some(), "NORM")
            .define_if(self.bias, "BIAS")
            .define_if(self.experts.is_some(), "EXPERTS")
            .constant("SLOTS", self.experts.map_or(1, |experts| experts.used))
            .constant("X_SHARE", self.experts.map_or(1, |experts| if experts.shares_input { experts.used } else { 1 }))
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
            Epilogue::Gate(activation) => with_activation(store(shader, 1.0), activation).define_if(true, "GATE"),
            Epilogue::Gated(activation) => with_activation(shader.part("EPILOGUE", "gated"), activation),
            Epilogue::Qkv { heads, value_offset } => {
                with_heads(shader.part("EPILOGUE", "qkv"), &heads, CacheFormat::F16, value_offset)
            }
        })
    }

    /// What only `tiled.wgsl` and `tiled_packed.wgsl` have.
    fn tiled(&self, file: &'static str) -> Shader {
        debug_assert!(self.experts.is_none(), "tokens share rows");
        let [pairs, tokens] = self.tuning.tile();
        Shader::new(file)
            .constant("LANES", TILE_LANES)
            .constant("TILE_PAIRS", pairs)
            .constant("TILE_TOKENS", tokens)
            .constant("THREAD_TOKENS", self.tuning.tokens)
            .constant("ROW_LOADS", 2 * pairs / self.tuning.workgroup)
            .constant("TOKEN_LOADS", 8 * tokens / self.tuning.workgroup)
    }

    /// What only `cooperative.wgsl` has.
    fn cooperative(&self) -> Shader {
        debug_assert!(self.experts.is_none() && self.norm_eps.is_none(), "tokens share rows, and `halve` has the norm");
        let ([pairs, tokens], steps) = (self.tuning.tile(), self.tuning.steps);
        Shader::new("linear/cooperative.wgsl")
            .constant("ROW_TILES", self.tuning.pairs)
            .constant("TOKEN_TILES", self.tuning.tokens)
            .constant("ROW_GROUPS", COOPERATIVE_GROUPS[0])
            .constant("TOKEN_GROUPS", COOPERATIVE_GROUPS[1])
            .constant("STEP_BLOCKS", steps)
            .constant("SUBGROUP", COOPERATIVE_SUBGROUP)
            .constant("ROW_LOADS", 2 * pairs * steps / COOPERATIVE_WORKGROUP)
            .constant("TOKEN_LOADS", tokens * steps / COOPERATIVE_WORKGROUP)
    }

    /// Whether threads have so few weights that they keep them until the input is there.
    fn has_weights_first(&self) -> bool {
        self.tuning.steps == 1 && self.tuning.pairs == 1 && self.cols / 32 <= 2 * self.tuning.lanes
    }

    /// What only `matvec.wgsl` has.
    fn matvec(&self) -> Shader {
        debug_assert_eq!(self.tuning.tokens, 1, "lanes share the rows of one token");
        let shader = self
            .tuning
            .declare_subgroups(Shader::new("linear/matvec.wgsl"))
            .define_if(self.merge.is_some(), "MERGE")
            .define_if(self.has_weights_first(), "WEIGHTS_FIRST")
            .constant("LANES", self.tuning.lanes)
            .constant("STEPS", self.tuning.steps)
            .constant("TILE_LOADS", tile_loads(self.tuning.lanes * self.tuning.steps, self.tuning.workgroup));
        match self.merge {
            Some(parts) => shader.constant("SPLITS", parts.splits).constant("HEAD_DIM", parts.head_dim),
            None => shader,
        }
    }
}

/// The input of a cooperative product of `cols` columns: RMS-normalised if there is an epsilon, as f16. Grid: one workgroup a token.
pub fn halve(cols: u32, norm_eps: Option<f32>) -> Shader {
    Shader::new("linear/halve.wgsl")
        .define_if(norm_eps.is_some(), "NORM")
        .constant("LEN", cols)
        .constant("WORKGROUP", 128)
        .float("EPS", norm_eps.unwrap_or_default())
}

/// Vectors of four that a thread brings of a tile of so many blocks of the input.
pub(super) fn tile_loads(blocks: u32, workgroup: u32) -> u32 {
    (8 * blocks).div_ceil(workgroup)
}

/// The input of a packed product of `cols` columns: RMS-normalised if there is an epsilon, as integers. Grid: one workgroup a token.
pub fn quantise(cols: u32, norm_eps: Option<f32>) -> Shader {
    Shader::new("linear/quantise.wgsl")
        .define_if(norm_eps.is_some(), "NORM")
        .constant("COLS", cols)
        .constant("BLOCKS", cols / 32)
        .constant("WORKGROUP", 128)
        .float("EPS", norm_eps.unwrap_or_default())
}

/// Whether weights of a format are integers of at most 8 bits with a scale and an offset for each 32.
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

fn store(shader: Shader, scale: f32) -> Shader {
    shader.part("EPILOGUE", "store").float("SCALE", scale)
}

fn with_activation(shader: Shader, activation: Activation) -> Shader {
    shader
        .define_if(activation == Activation::GeluTanh, "GELU_TANH")
        .define_if(activation == Activation::GeluErf, "GELU_ERF")
}

/// Declares what `epilogues/qkv.wgsl` needs but `FIRST_ROW`.
pub(super) fn with_heads(shader: Shader, heads: &HeadShape, cache: CacheFormat, value_offset: u32) -> Shader {
    shader
        .define_if(cache == CacheFormat::Q8, "CACHE_Q8")
        .constant("ROW_WORDS", cache.row_words(heads.kv_heads * heads.head_dim))
        .define_if(heads.rope_half, "ROPE_HALF")
        .constant("HEADS", heads.heads)
        .constant("KV_HEADS", heads.kv_heads)
        .constant("HEAD_DIM", heads.head_dim)
        .constant("ROPE_DIM", heads.rope_dim)
        .constant("VALUE_OFFSET", value_offset)
}

//! Dispatches of `attention.wgsl`, `attention_batch.wgsl`, `attention_tiled.wgsl`, `attention_cooperative.wgsl` and
//! `attention_merge.wgsl`.

pub mod cache;
pub mod gate;
pub mod latent;
pub mod reference;

use super::linear::{COOPERATIVE_SUBGROUP, Linear, tile_loads};
use super::{CacheLayout, Grid, Shader, TokensOf};
use crate::models::{AttentionTemperature, CacheFormat, HeadShape};

/// Number of values that a thread loads at once, to hide latency.
const VALUES: u32 = 2;

/// Threads in a workgroup of `attention_cooperative.wgsl`.
const COOPERATIVE_WORKGROUP: u32 = 128;
/// Queries per workgroup of `attention_cooperative.wgsl`.
const COOPERATIVE_ROWS: u32 = COOPERATIVE_WORKGROUP / COOPERATIVE_SUBGROUP * 16;

/// Variants of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttentionLayout {
    /// One token (`attention.wgsl`).
    Token,
    /// Many tokens (`attention_batch.wgsl`).
    Batch,
    /// Many tokens, with tiles in workgroup memory (`attention_tiled.wgsl`); see [`has_tiled_layout`].
    Tiled,
    /// Many tokens, on the adapter's matrix units (`attention_cooperative.wgsl`); see [`has_cooperative_layout`].
    Cooperative,
}

/// Threads of `attention_tiled.wgsl`.
const TILED_WORKGROUP: u32 = 128;
/// Tokens per workgroup of it: eight threads share one.
const TILED_TOKENS: u32 = TILED_WORKGROUP / 8;

/// Whether `attention_tiled.wgsl` supports heads of this shape: their tiles fit the 16 KiB that every adapter has.
pub fn has_tiled_layout(heads: &HeadShape) -> bool {
    heads.value_dim == heads.head_dim && heads.head_dim.is_multiple_of(8) && heads.head_dim <= 96
}

/// Whether `attention_cooperative.wgsl` supports heads of this shape.
pub fn has_cooperative_layout(heads: &HeadShape) -> bool {
    let is_plain = heads.value_dim == heads.head_dim && heads.head_dim.is_multiple_of(8) && heads.head_dim <= 128;
    is_plain && heads.heads / heads.kv_heads <= COOPERATIVE_ROWS
}

/// Whether attention over these heads can multiply its own query, key and value. For that, the rows of a head have to
/// divide the threads evenly.
pub fn can_project(heads: &HeadShape, cache: CacheFormat) -> bool {
    let is_plain = heads.value_dim == heads.head_dim && heads.head_dim.is_power_of_two() && heads.head_dim >= 16;
    is_plain && cache == CacheFormat::F16
}

/// Attention over the KV cache.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent, and always set by name")]
pub struct Attention {
    /// Shapes of the heads.
    pub heads: HeadShape,
    /// The KV cache.
    pub cache: CacheLayout,
    /// Factor of the dot products.
    pub scale: f32,
    /// Queries are multiplied by a factor that grows with the position.
    pub temperature: Option<AttentionTemperature>,
    /// Scores become `softcap * tanh(score / softcap)`.
    pub softcap: Option<f32>,
    /// Sliding window: the number of positions a token attends to, including its own; `None` means all of them.
    pub window: Option<u32>,
    /// Tokens attend to the whole batch.
    pub bidirectional: bool,
    /// Of the batch, only this many positions after a token's own; `None` means all of them.
    pub ahead: Option<u32>,
    /// Scores decrease with the distance (`ALiBi`); for [`AttentionLayout::Batch`] only.
    pub alibi: bool,
    /// Each head has a sink: a score without a value.
    pub sinks: bool,
    /// Variant of the kernel.
    pub layout: AttentionLayout,
    /// Number of workgroups that share the positions of a head; 1 for batches.
    pub splits: u32,
    /// Minimum number of threads in a workgroup; a power of two.
    pub workgroup: u32,
    /// The output is f16, as [`halve`](super::linear::halve) leaves it; only in [`AttentionLayout::Cooperative`].
    pub halves: bool,
}

impl Attention {
    /// Workgroups of the main kernel and of the merge.
    pub fn grids(&self) -> [Grid; 2] {
        let x = self.heads.heads;
        let main = match self.layout {
            AttentionLayout::Token | AttentionLayout::Batch => Grid::TokensInY { x, z: self.splits },
            AttentionLayout::Tiled => {
                Grid::TokensInZ { xy: [x, 1], tokens_per_group: TILED_TOKENS, groups_per_token: 1 }
            }
            AttentionLayout::Cooperative => Grid::TokensInZ {
                xy: [self.heads.kv_heads, 1],
                tokens_per_group: self.tile_tokens(),
                groups_per_token: 1,
            },
        };
        [main, Grid::TokensInY { x, z: 1 }]
    }

    /// Number of query heads that share a key head.
    fn group(&self) -> u32 {
        self.heads.heads / self.heads.kv_heads
    }

    /// Tokens per workgroup of `attention_cooperative.wgsl`.
    fn tile_tokens(&self) -> u32 {
        COOPERATIVE_ROWS / self.group()
    }

    /// The main kernel. With one split its output is final.
    pub fn shader(&self) -> Shader {
        debug_assert!(self.layout == AttentionLayout::Token || self.splits == 1, "batches need no splits");
        debug_assert!(self.layout == AttentionLayout::Batch || !self.alibi, "only encoders have it");
        debug_assert!(self.layout == AttentionLayout::Cooperative || !self.halves, "others write floats");
        let is_together = self.bidirectional || self.layout == AttentionLayout::Cooperative;
        debug_assert!(!is_together || self.cache.tokens != TokensOf::Each, "the tokens are of one sequence");
        self.declare(match self.layout {
            AttentionLayout::Token => Shader::new("attention/attention.wgsl"),
            AttentionLayout::Batch => Shader::new("attention/attention_batch.wgsl"),
            AttentionLayout::Tiled => self.tiled(),
            AttentionLayout::Cooperative => self.cooperative(),
        })
    }

    /// The main kernel for batches where each token has its own range of positions, from the variable `blocks`. No
    /// range begins or ends before that of the token before.
    pub fn shader_in_blocks(&self) -> Shader {
        debug_assert!(self.layout != AttentionLayout::Token, "tokens alone need no blocks");
        self.shader().define_if(true, "BLOCKS")
    }

    /// The main kernel for one token, which multiplies its own query, key and value; `None` if the format of
    /// `projection` has no kernel. The last split is the token's own position, so there are at least two splits.
    pub fn projected_shader(&self, projection: &Linear) -> Option<Shader> {
        debug_assert!(can_project(&self.heads, self.cache.format), "rows divide the threads evenly");
        debug_assert!(self.splits > 1 && !self.bidirectional, "the token's own position is a split");
        debug_assert!(self.temperature.is_none(), "queries have no position here");
        let shader = projection.declare(Shader::new("attention/attention.wgsl").define_if(true, "PROJECTED"))?;
        let lanes = self.threads() / (self.heads.head_dim / 2);
        let blocks = projection.cols / 32;
        let shader = shader
            .constant("PROJECTION_STEPS", blocks.div_ceil(lanes))
            .constant("TILE_LOADS", tile_loads(blocks, self.threads()));
        Some(self.declare(projection.tuning.declare_subgroups(shader)))
    }

    /// Workgroups of this kernel: the token's own position has two.
    pub fn projected_grid(&self) -> Grid {
        Grid::Fixed([self.heads.heads, 1, self.splits + 1])
    }

    /// Threads in a workgroup.
    fn threads(&self) -> u32 {
        match self.layout {
            AttentionLayout::Tiled => TILED_WORKGROUP,
            AttentionLayout::Cooperative => COOPERATIVE_WORKGROUP,
            AttentionLayout::Token | AttentionLayout::Batch => {
                let least = (self.heads.value_dim / 2).next_power_of_two().max(key_lanes(self.heads.head_dim));
                least.max(self.workgroup)
            }
        }
    }

    /// Elements of a row of keys in the cache, and of a row that contains values.
    pub fn row_lens(&self) -> [u32; 2] {
        let key_len = self.heads.key_len();
        [key_len, if self.cache.value_offset == 0 { key_len } else { self.heads.value_len() }]
    }

    /// Declares the constants of `attention_common.wgsl` and the main kernels.
    fn declare(&self, shader: Shader) -> Shader {
        let key_lanes = key_lanes(self.heads.head_dim);
        let vector_words = self.cache.format.vector_words();
        let row_vectors = |len: u32| self.cache.format.row_words(len) / vector_words;
        let [key_len, value_len] = self.row_lens();
        self.cache
            .declare(shader)
            .define_if(self.heads.rope_half, "ROPE_HALF")
            .define_if(self.temperature.is_some(), "TEMPERATURE")
            .define_if(self.softcap.is_some(), "SOFTCAP")
            .define_if(self.window.is_some(), "WINDOW")
            .define_if(self.bidirectional, "BIDIRECTIONAL")
            .define_if(self.ahead.is_some(), "AHEAD")
            .define_if(self.alibi, "ALIBI")
            .define_if(self.sinks, "SINKS")
            .constant("HEADS", self.heads.heads)
            .constant("KV_HEADS", self.heads.kv_heads)
            .constant("HEAD_DIM", self.heads.head_dim)
            .constant("VALUE_DIM", self.heads.value_dim)
            .constant("ROPE_DIM", self.heads.rope_dim)
            .constant("VALUE_VEC_OFFSET", self.cache.value_offset / vector_words)
            .constant("ROW_VECTORS", row_vectors(key_len))
            .constant("VALUE_ROW_VECTORS", row_vectors(value_len))
            .constant("VALUE_SCALES", value_len / 8)
            .constant("WINDOW_LEN", self.window.unwrap_or_default())
            .constant("AHEAD_LEN", self.ahead.unwrap_or_default())
            .constant("ALIBI_HEADS", alibi_heads(self.heads.heads))
            .constant("SPLITS", self.splits)
            .constant("KEY_LANES", key_lanes)
            .constant("KEYS", self.heads.head_dim / 8 / key_lanes)
            .constant("VALUES", VALUES)
            .constant("QUERY_LOADS", (self.heads.head_dim / 2).div_ceil(self.threads()))
            .constant("WORKGROUP", self.threads())
            .float("SCALE", self.scale)
            .float("TEMPERATURE_SCALE", self.temperature.map_or(0.0, |temperature| temperature.scale))
            .constant("TEMPERATURE_STEP", self.temperature.map_or(1, |temperature| temperature.step))
            .float("SOFTCAP_LIMIT", self.softcap.unwrap_or(1.0))
    }

    /// Declares the constants that only `attention_tiled.wgsl` uses.
    fn tiled(&self) -> Shader {
        debug_assert!(has_tiled_layout(&self.heads) && !self.sinks, "towers have such heads, and no sinks");
        debug_assert!(self.cache.format == CacheFormat::F16, "tiles are f16");
        let row_groups = TILED_WORKGROUP / (self.heads.head_dim / 4);
        Shader::new("attention/attention_tiled.wgsl")
            .constant("QUERIES", TILED_TOKENS)
            .constant("RESULTS", TILED_TOKENS.div_ceil(row_groups))
    }

    /// Declares the constants that only `attention_cooperative.wgsl` uses.
    fn cooperative(&self) -> Shader {
        debug_assert!(has_cooperative_layout(&self.heads), "a head fits the matrices");
        debug_assert!(self.cache.format == CacheFormat::F16, "matrices are f16");
        Shader::new("attention/attention_cooperative.wgsl")
            .define_if(true, "COOPERATIVE")
            .define_if(self.halves, "HALVES")
            .constant("GROUP", self.group())
            .constant("HEAD_TILES", self.heads.head_dim.div_ceil(16))
            .constant("TILE_TOKENS", self.tile_tokens())
            .constant("TILE_LOADS", COOPERATIVE_ROWS * (self.heads.head_dim / 4) / COOPERATIVE_WORKGROUP)
            .constant("SCORE_LOADS", COOPERATIVE_ROWS / 8)
            .constant("SUBGROUP", COOPERATIVE_SUBGROUP)
    }

    /// The kernel that merges several splits.
    pub fn merge_shader(&self) -> Shader {
        Shader::new("attention/attention_merge.wgsl")
            .constant("HEADS", self.heads.heads)
            .constant("VALUE_DIM", self.heads.value_dim)
            .constant("SPLITS", self.splits)
            .constant("WORKGROUP", (self.heads.value_dim / 2).next_power_of_two().min(64))
    }

    /// Number of floats in the partial results of a token.
    pub fn split_len(&self) -> u64 {
        u64::from(self.heads.heads) * u64::from(self.splits) * u64::from(self.heads.value_dim + 2)
    }
}

/// Number of heads whose slopes are a geometric sequence (`ALiBi`); those of further heads lie between them.
pub(crate) fn alibi_heads(heads: u32) -> u32 {
    1 << heads.max(1).ilog2()
}

/// Number of threads that share a key: each loads two vectors of eight elements, or more if that does not divide the
/// key.
fn key_lanes(head_dim: u32) -> u32 {
    let vectors = head_dim / 8;
    (1 << vectors.trailing_zeros()).min((vectors / 2).max(1).next_power_of_two())
}

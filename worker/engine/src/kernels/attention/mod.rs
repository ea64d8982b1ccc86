//! Dispatches of `attention.wgsl`, `attention_batch.wgsl`, `attention_cooperative.wgsl` and `attention_merge.wgsl`.

pub mod cache;
pub mod gate;
pub mod reference;

use super::Grid;
use super::Shader;
use super::linear::{COOPERATIVE_SUBGROUP, Linear, tile_loads};
use crate::models::{CacheFormat, HeadShape};

/// Values that a thread loads at once: enough to hide what a load takes.
const VALUES: u32 = 2;

/// Threads of a workgroup of `attention_cooperative.wgsl`.
const COOPERATIVE_WORKGROUP: u32 = 128;
/// Queries of one of its workgroups.
const COOPERATIVE_ROWS: u32 = COOPERATIVE_WORKGROUP / COOPERATIVE_SUBGROUP * 16;

/// What attention is laid out for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttentionLayout {
    /// One token (`attention.wgsl`).
    Token,
    /// Many tokens (`attention_batch.wgsl`).
    Batch,
    /// Many tokens, on the adapter's matrix units (`attention_cooperative.wgsl`), where [`has_cooperative_layout`].
    Cooperative,
}

/// Whether heads of this shape fit into what `attention_cooperative.wgsl` has for them.
pub fn has_cooperative_layout(heads: &HeadShape) -> bool {
    heads.head_dim.is_multiple_of(16) && heads.head_dim <= 128 && heads.heads / heads.kv_heads <= COOPERATIVE_ROWS
}

/// Whether attention over heads of this shape can multiply query, key and value by itself: a head's rows divide the threads evenly.
pub fn can_project(heads: &HeadShape, cache: CacheFormat) -> bool {
    heads.head_dim.is_power_of_two() && heads.head_dim >= 16 && cache == CacheFormat::F16
}

/// Attention over the KV cache.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention {
    /// Shapes of the heads.
    pub heads: HeadShape,
    /// How keys and values are kept.
    pub cache: CacheFormat,
    /// First word of the values in the cache, a multiple of the words of eight elements.
    pub value_offset: u32,
    /// Factor of the dot products.
    pub scale: f32,
    /// Bound that scores approach by tanh.
    pub softcap: Option<f32>,
    /// Positions that a token sees, itself included; all before it if absent.
    pub window: Option<u32>,
    /// Tokens see the whole batch.
    pub bidirectional: bool,
    /// What it is laid out for.
    pub layout: AttentionLayout,
    /// Workgroups that share the positions of a head; 1 in a batch.
    pub splits: u32,
    /// Least threads of a workgroup, a power of two.
    pub workgroup: u32,
}

impl Attention {
    /// The workgroups of both dispatches.
    pub fn grids(&self) -> [Grid; 2] {
        let x = self.heads.heads;
        let main = match self.layout {
            AttentionLayout::Token | AttentionLayout::Batch => Grid::TokensInY { x, z: self.splits },
            AttentionLayout::Cooperative => Grid::TokensInZ {
                xy: [self.heads.kv_heads, 1],
                tokens_per_group: self.tile_tokens(),
                groups_per_token: 1,
            },
        };
        [main, Grid::TokensInY { x, z: 1 }]
    }

    /// Heads that share a head of the cache.
    fn group(&self) -> u32 {
        self.heads.heads / self.heads.kv_heads
    }

    /// Tokens of a workgroup of `attention_cooperative.wgsl`.
    fn tile_tokens(&self) -> u32 {
        COOPERATIVE_ROWS / self.group()
    }

    /// The main kernel. With one split its output is complete.
    pub fn shader(&self) -> Shader {
        debug_assert!(self.layout == AttentionLayout::Token || self.splits == 1, "a batch has workgroups enough");
        self.declare(match self.layout {
            AttentionLayout::Token => Shader::new("attention/attention.wgsl"),
            AttentionLayout::Batch => Shader::new("attention/attention_batch.wgsl"),
            AttentionLayout::Cooperative => self.cooperative(),
        })
    }

    /// The main kernel for one token, which multiplies query, key and value by itself, or `None` if `projection` has no kernel. Its last
    /// split is the token's own position, so that there are at least two.
    pub fn projected_shader(&self, projection: &Linear) -> Option<Shader> {
        debug_assert!(can_project(&self.heads, self.cache), "rows divide the threads");
        debug_assert!(self.splits > 1 && !self.bidirectional, "the token's own position is a part");
        let shader = projection.declare(Shader::new("attention/attention.wgsl").define_if(true, "PROJECTED"))?;
        let lanes = self.threads() / (self.heads.head_dim / 2);
        let blocks = projection.cols / 32;
        let shader = shader
            .constant("PROJECTION_STEPS", blocks.div_ceil(lanes))
            .constant("TILE_LOADS", tile_loads(blocks, self.threads()));
        Some(self.declare(projection.tuning.declare_subgroups(shader)))
    }

    /// Its workgroups: the token's own position has two.
    pub fn projected_grid(&self) -> Grid {
        Grid::Fixed([self.heads.heads, 1, self.splits + 1])
    }

    /// Threads of a workgroup.
    fn threads(&self) -> u32 {
        match self.layout {
            AttentionLayout::Cooperative => COOPERATIVE_WORKGROUP,
            AttentionLayout::Token | AttentionLayout::Batch => {
                (self.heads.head_dim / 2).next_power_of_two().max(self.workgroup)
            }
        }
    }

    /// Declares what `attention_common.wgsl` and the main kernels need.
    fn declare(&self, shader: Shader) -> Shader {
        let key_lanes = key_lanes(self.heads.head_dim);
        let vector_words = self.cache.vector_words();
        let row_words = self.cache.row_words(self.heads.kv_heads * self.heads.head_dim);
        shader
            .define_if(self.heads.rope_half, "ROPE_HALF")
            .define_if(self.softcap.is_some(), "SOFTCAP")
            .define_if(self.window.is_some(), "WINDOW")
            .define_if(self.bidirectional, "BIDIRECTIONAL")
            .define_if(self.cache == CacheFormat::Q8, "CACHE_Q8")
            .constant("HEADS", self.heads.heads)
            .constant("KV_HEADS", self.heads.kv_heads)
            .constant("HEAD_DIM", self.heads.head_dim)
            .constant("ROPE_DIM", self.heads.rope_dim)
            .constant("VALUE_VEC_OFFSET", self.value_offset / vector_words)
            .constant("ROW_VECTORS", row_words / vector_words)
            .constant("WINDOW_LEN", self.window.unwrap_or_default())
            .constant("SPLITS", self.splits)
            .constant("KEY_LANES", key_lanes)
            .constant("KEYS", self.heads.head_dim / 8 / key_lanes)
            .constant("VALUES", VALUES)
            .constant("WORKGROUP", self.threads())
            .float("SCALE", self.scale)
            .float("SOFTCAP_LIMIT", self.softcap.unwrap_or(1.0))
    }

    /// What only `attention_cooperative.wgsl` has.
    fn cooperative(&self) -> Shader {
        debug_assert!(has_cooperative_layout(&self.heads), "matrices of 16 by 16 divide a head");
        debug_assert!(self.cache == CacheFormat::F16, "matrices are of halves");
        Shader::new("attention/attention_cooperative.wgsl")
            .define_if(true, "COOPERATIVE")
            .constant("GROUP", self.group())
            .constant("HEAD_TILES", self.heads.head_dim / 16)
            .constant("TILE_TOKENS", self.tile_tokens())
            .constant("SUBGROUP", COOPERATIVE_SUBGROUP)
    }

    /// The kernel that puts several splits together.
    pub fn merge_shader(&self) -> Shader {
        Shader::new("attention/attention_merge.wgsl")
            .constant("HEADS", self.heads.heads)
            .constant("HEAD_DIM", self.heads.head_dim)
            .constant("SPLITS", self.splits)
            .constant("WORKGROUP", (self.heads.head_dim / 2).next_power_of_two().min(64))
    }

    /// Floats of the splits' results for a token.
    pub fn split_len(&self) -> u64 {
        u64::from(self.heads.heads) * u64::from(self.splits) * u64::from(self.heads.head_dim + 2)
    }
}

/// Threads that share a key: each loads two vectors of eight elements or, where they do not divide the key, more.
fn key_lanes(head_dim: u32) -> u32 {
    let vectors = head_dim / 8;
    (1 << vectors.trailing_zeros()).min((vectors / 2).max(1).next_power_of_two())
}

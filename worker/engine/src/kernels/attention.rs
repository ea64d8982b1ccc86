//! Dispatches of `attention.wgsl`, `attention_batch.wgsl` and `attention_merge.wgsl`.

use super::Shader;
use crate::models::HeadShape;
use crate::runtime::Grid;

/// Values that a thread loads at once: enough to hide what a load takes.
const VALUES: u32 = 8;

/// Attention over the KV cache.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention {
    /// Shapes of the heads.
    pub heads: HeadShape,
    /// First word of the values in the cache, a multiple of four.
    pub value_offset: u32,
    /// Factor of the dot products.
    pub scale: f32,
    /// Bound that scores approach by tanh.
    pub softcap: Option<f32>,
    /// Positions that a token sees, itself included; all before it if absent.
    pub window: Option<u32>,
    /// Tokens see the whole batch.
    pub bidirectional: bool,
    /// Laid out for many tokens; otherwise for one.
    pub is_batch: bool,
    /// Workgroups that share the positions of a head; 1 in a batch.
    pub splits: u32,
    /// Least threads of a workgroup, a power of two.
    pub workgroup: u32,
}

impl Attention {
    /// The workgroups of both dispatches.
    pub fn grids(&self) -> [Grid; 2] {
        let x = self.heads.heads;
        [Grid::TokensInY { x, z: self.splits }, Grid::TokensInY { x, z: 1 }]
    }

    /// The main kernel. With one split its output is complete.
    pub fn shader(&self) -> Shader {
        let half_dim = self.heads.head_dim / 2;
        let key_lanes = key_lanes(self.heads.head_dim);
        debug_assert!(!self.is_batch || self.splits == 1, "a batch has workgroups enough");
        Shader::new(if self.is_batch { "attention_batch.wgsl" } else { "attention.wgsl" })
            .define_if(self.heads.rope_half, "ROPE_HALF")
            .define_if(self.softcap.is_some(), "SOFTCAP")
            .define_if(self.window.is_some(), "WINDOW")
            .define_if(self.bidirectional, "BIDIRECTIONAL")
            .constant("HEADS", self.heads.heads)
            .constant("KV_HEADS", self.heads.kv_heads)
            .constant("HEAD_DIM", self.heads.head_dim)
            .constant("ROPE_DIM", self.heads.rope_dim)
            .constant("VALUE_VEC_OFFSET", self.value_offset / 4)
            .constant("WINDOW_LEN", self.window.unwrap_or_default())
            .constant("SPLITS", self.splits)
            .constant("KEY_LANES", key_lanes)
            .constant("KEYS", self.heads.head_dim / 8 / key_lanes)
            .constant("VALUES", VALUES)
            .constant("WORKGROUP", half_dim.next_power_of_two().max(self.workgroup))
            .float("SCALE", self.scale)
            .float("SOFTCAP_LIMIT", self.softcap.unwrap_or(1.0))
    }

    /// The kernel that puts several splits together.
    pub fn merge_shader(&self) -> Shader {
        Shader::new("attention_merge.wgsl")
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

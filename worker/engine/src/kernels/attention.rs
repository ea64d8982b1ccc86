//! Dispatch of `attention.wgsl`.

use super::Shader;
use crate::models::HeadShape;

/// Causal attention over the KV cache. Grid: heads, tokens.
///
/// `value_offset` is the first word of the values in the cache, a multiple of four; `workgroup` the least number of
/// threads, a power of two.
pub fn attention(heads: &HeadShape, value_offset: u32, workgroup: u32) -> Shader {
    let half_dim = heads.head_dim / 2;
    Shader::new("attention.wgsl")
        .define_if(heads.rope_half, "ROPE_HALF")
        .constant("HEADS", heads.heads)
        .constant("KV_HEADS", heads.kv_heads)
        .constant("HEAD_DIM", heads.head_dim)
        .constant("ROPE_DIM", heads.rope_dim)
        .constant("VALUE_VEC_OFFSET", value_offset / 4)
        .constant("WORKGROUP", half_dim.next_power_of_two().max(workgroup))
}

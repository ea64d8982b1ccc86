//! Dispatches of `add_norm.wgsl`, `layer_norm.wgsl` and `head_norm.wgsl`.

use super::Shader;
use super::linear::with_heads;
use crate::models::{CacheFormat, HeadNorm, HeadShape};

/// `y += scale norm(x)` for vectors of `len`. Grid: one workgroup a token.
pub fn add_norm(len: u32, eps: f32, scale: f32) -> Shader {
    Shader::new("add_norm.wgsl").constant("LEN", len).constant("WORKGROUP", 64).float("EPS", eps).float("SCALE", scale)
}

/// Layer norm of vectors of `len`, in place. Grid: one workgroup a token.
pub fn layer_norm(len: u32, eps: f32) -> Shader {
    Shader::new("layer_norm.wgsl").constant("LEN", len).constant("WORKGROUP", 64).float("EPS", eps)
}

/// Norms of queries and keys, if there are any, RoPE, and the append to the cache. Grid: query, key and value heads, tokens.
pub fn head_norm(kind: HeadNorm, heads: &HeadShape, cache: CacheFormat, value_offset: u32, eps: f32) -> Shader {
    with_heads(Shader::new("head_norm.wgsl"), heads, cache, value_offset)
        .define_if(kind != HeadNorm::None, "NORMS")
        .define_if(kind == HeadNorm::Row, "WHOLE_ROW")
        .constant("FIRST_ROW", 0)
        .constant("WORKGROUP", 64)
        .float("EPS", eps)
}

//! Dispatch of `attention_gate.wgsl`.

use crate::kernels::{Grid, Shader};
use crate::models::HeadShape;

/// Threads of a workgroup.
const WORKGROUP: u32 = 64;

/// Multiplies what attention gives by its gates, which stand after the queries in rows of `row_len`.
pub fn attention_gate(heads: &HeadShape, row_len: u32) -> (Shader, Grid) {
    let shader = Shader::new("attention/attention_gate.wgsl")
        .constant("HEADS", heads.heads)
        .constant("HEAD_DIM", heads.head_dim)
        .constant("ROW_LEN", row_len)
        .constant("WORKGROUP", WORKGROUP);
    (shader, Grid::TokensInY { x: (heads.heads * heads.head_dim).div_ceil(WORKGROUP), z: 1 })
}

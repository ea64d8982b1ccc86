//! Dispatch of `attention_gate.wgsl`.

use crate::kernels::{Grid, Shader};
use crate::models::HeadShape;

/// Threads in a workgroup.
const WORKGROUP: u32 = 64;

/// Multiplies the output of attention by the logistic function of its gates. Rows of `row_len` begin with query and
/// gate of each head.
pub fn attention_gate(heads: &HeadShape, row_len: u32) -> (Shader, Grid) {
    let shader = Shader::new("attention/attention_gate.wgsl")
        .constant("HEADS", heads.heads)
        .constant("HEAD_DIM", heads.head_dim)
        .constant("ROW_LEN", row_len)
        .constant("WORKGROUP", WORKGROUP);
    (shader, Grid::TokensInY { x: (heads.heads * heads.head_dim).div_ceil(WORKGROUP), z: 1 })
}

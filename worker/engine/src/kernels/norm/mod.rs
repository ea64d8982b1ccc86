//! Dispatches of `add_norm.wgsl`, `layer_norm.wgsl`, `gated_norm.wgsl`, `head_norm.wgsl` and `gate_cutoff.wgsl`.

pub mod reference;

use super::linear::with_heads;
use super::{CacheLayout, Grid, Shader};
use crate::models::{HeadNorm, HeadShape};

/// `y += scale norm(x)`, for one or several vectors per token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AddNorm {
    /// Elements per vector.
    pub len: u32,
    /// Vectors per token.
    pub count: u32,
    /// Epsilon of the RMS norm.
    pub eps: f32,
    /// Factor of the norm.
    pub scale: f32,
    /// The sum is multiplied by a factor from a buffer.
    pub scaled_sum: bool,
    /// Another vector is added, too, and the sum multiplied by this.
    pub residual: Option<f32>,
    /// Number of consecutive vectors that each norm is added to.
    pub places: u32,
}

impl AddNorm {
    /// The kernel.
    pub fn shader(&self) -> Shader {
        Shader::new("norm/add_norm.wgsl")
            .define_if(self.scaled_sum, "SCALED_SUM")
            .define_if(self.residual.is_some(), "RESIDUAL")
            .constant("LEN", self.len)
            .constant("COUNT", self.count)
            .constant("PLACES", self.places)
            .constant("WORKGROUP", 64)
            .float("EPS", self.eps)
            .float("SCALE", self.scale)
            .float("RESIDUAL_SCALE", self.residual.unwrap_or(1.0))
    }

    /// Workgroups of the kernel.
    pub fn grid(&self) -> Grid {
        Grid::TokensInY { x: self.count, z: 1 }
    }
}

/// Norm of whole vectors, which is no part of another kernel. Grid: one workgroup per token.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent, and always set by name")]
pub struct LayerNorm {
    /// Elements per vector.
    pub len: u32,
    /// It is an RMS norm: the mean is not subtracted.
    pub rms: bool,
    /// A bias is added.
    pub bias: bool,
    /// The input is a sum of two vectors.
    pub residual: bool,
    /// The result replaces the input.
    pub in_place: bool,
    /// The result is f16, as [`halve`](super::linear::halve) leaves it; not in place.
    pub halves: bool,
    /// Epsilon of the norm.
    pub eps: f32,
}

impl LayerNorm {
    /// The kernel.
    pub fn shader(&self) -> Shader {
        debug_assert!(!(self.in_place && self.halves), "halves take another buffer");
        Shader::new("norm/layer_norm.wgsl")
            .define_if(self.halves, "HALVES")
            .define_if(self.rms, "RMS")
            .define_if(self.bias, "BIAS")
            .define_if(self.residual, "RESIDUAL")
            .define_if(self.in_place, "IN_PLACE")
            .constant("LEN", self.len)
            .constant("WORKGROUP", 64)
            .float("EPS", self.eps)
    }
}

/// Keeps gates only where they exceed the mean by some standard deviations, in place; the excess remains. Grid: one
/// workgroup per token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GateCutoff {
    /// Gates per token, at least two.
    pub len: u32,
    /// Standard deviations (of a sample) from the mean to the cutoff.
    pub deviations: f32,
}

impl GateCutoff {
    /// The kernel.
    pub fn shader(&self) -> Shader {
        Shader::new("norm/gate_cutoff.wgsl")
            .constant("LEN", self.len)
            .constant("WORKGROUP", 64)
            .float("CUTOFF", self.deviations)
    }
}

/// RMS norm of heads, times `SiLU` of their gates, in place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GatedNorm {
    /// Number of heads.
    pub heads: u32,
    /// Elements per head.
    pub head_dim: u32,
    /// Elements per row of the projection that contains the gates.
    pub gate_row_len: u32,
    /// Offset of the gates in a row.
    pub gate_at: u32,
    /// What is normalised is the product with the gate, and each head has its own weight.
    pub gate_first: bool,
    /// Epsilon of the norm.
    pub eps: f32,
}

impl GatedNorm {
    /// The kernel.
    pub fn shader(&self) -> Shader {
        Shader::new("norm/gated_norm.wgsl")
            .define_if(self.gate_first, "GATE_FIRST")
            .constant("HEADS", self.heads)
            .constant("HEAD_DIM", self.head_dim)
            .constant("GATE_ROW_LEN", self.gate_row_len)
            .constant("GATE_AT", self.gate_at)
            .constant("WORKGROUP", 64)
            .float("EPS", self.eps)
    }

    /// Workgroups of the kernel.
    pub fn grid(&self) -> Grid {
        Grid::TokensInY { x: self.heads, z: 1 }
    }
}

/// Between projection and attention: norms of queries and keys if there are any, RoPE, and the append to the cache.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent, and always set by name")]
pub struct HeadNormKernel {
    /// What is normalised.
    pub kind: HeadNorm,
    /// Shapes of the heads.
    pub heads: HeadShape,
    /// They are layer norms with biases, not RMS norms.
    pub centred: bool,
    /// In the projection a gate follows each query; it is skipped.
    pub gated: bool,
    /// Values are RMS-normalised per head, without weights.
    pub value_norm: bool,
    /// The layer computes no keys and values.
    pub queries_only: bool,
    /// The KV cache.
    pub cache: CacheLayout,
    /// Epsilon of the norms.
    pub eps: f32,
}

impl HeadNormKernel {
    /// Workgroups of the kernel.
    pub fn grid(&self) -> Grid {
        let kv_heads = if self.queries_only { 0 } else { self.heads.kv_heads };
        Grid::TokensInY { x: self.heads.heads + 2 * kv_heads, z: 1 }
    }

    /// The kernel.
    pub fn shader(&self) -> Shader {
        debug_assert!(!self.gated || self.kind != HeadNorm::Row, "gates lie between the queries of a row");
        let is_centred = self.centred || self.kind == HeadNorm::CentredHead;
        with_heads(Shader::new("norm/head_norm.wgsl"), &self.heads, &self.cache)
            .define_if(self.kind != HeadNorm::None, "NORMS")
            .define_if(self.kind == HeadNorm::Row, "WHOLE_ROW")
            .define_if(self.kind.has_own_weights(), "OWN_WEIGHTS")
            .define_if(self.kind == HeadNorm::HeadAfterRope, "AFTER_ROPE")
            .define_if(is_centred, "CENTRED")
            .define_if(self.centred, "BIASES")
            .define_if(self.gated, "GATED")
            .define_if(self.value_norm, "VALUE_NORM")
            .define_if(self.queries_only, "QUERIES_ONLY")
            .constant("FIRST_ROW", 0)
            .constant("WORKGROUP", 64)
            .float("EPS", self.eps)
    }
}

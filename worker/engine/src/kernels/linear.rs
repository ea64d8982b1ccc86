//! Dispatch of `linear.wgsl`.

use super::{Shader, format_name};
use crate::gguf::TensorType;
use crate::models::HeadShape;

/// Most workgroups in one dimension of a dispatch (the WebGPU default limit).
const MAX_GRID: u32 = 65_535;

/// What is fused in after the matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Epilogue {
    /// `y = W x`
    Store,
    /// `y += W x`
    AddTo,
    /// `y = silu(W[..rows / 2] x) * (W[rows / 2..] x)`
    SwiGlu,
    /// RoPE, then queries to a buffer and keys and values to the cache.
    Qkv {
        /// Shapes of the heads.
        heads: HeadShape,
        /// First word of the values in the cache.
        value_offset: u32,
        /// The row (of query, key and value rows in this order) that the matrix starts with.
        first_row: u32,
    },
}

/// How a kernel is laid out on the adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinearTuning {
    /// Threads a workgroup, a power of two.
    pub workgroup: u32,
    /// Threads that share a pair of rows, a power of two of at most `workgroup`.
    pub lanes: u32,
    /// Pairs of rows a thread computes.
    pub pairs: u32,
    /// Tokens a thread computes.
    pub tokens: u32,
    /// Reduce over lanes with subgroup operations; needs subgroups of at least `lanes`.
    pub subgroups: bool,
    /// Prepend `enable subgroups;` (a browser wants it, naga rejects it).
    pub subgroup_enable: bool,
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
    /// Epsilon of the RMS norm before the matrix, if there is one.
    pub norm_eps: Option<f32>,
    /// What comes after.
    pub epilogue: Epilogue,
    /// Layout.
    pub tuning: LinearTuning,
}

impl Linear {
    fn pairs(&self) -> u32 {
        match self.epilogue {
            Epilogue::SwiGlu => self.rows / 2,
            _ => self.rows.div_ceil(2),
        }
    }

    /// Workgroups in x and y; z is `ceil(tokens / tuning.tokens)`.
    pub fn grid(&self) -> [u32; 2] {
        let groups = self.pairs().div_ceil(self.tuning.pairs * (self.tuning.workgroup / self.tuning.lanes));
        let y = groups.div_ceil(MAX_GRID);
        [groups.div_ceil(y), y]
    }

    /// The shader, or `None` if the format has no kernel.
    pub fn shader(&self) -> Option<Shader> {
        let tuning = self.tuning;
        let shader = Shader::new("linear.wgsl")
            .part("FORMAT", format_name(self.tensor_type)?)
            .define_if(self.norm_eps.is_some(), "NORM")
            .define_if(tuning.subgroups && tuning.lanes > 1, "SUBGROUP_REDUCE")
            .define_if(tuning.subgroups && tuning.lanes > 1 && tuning.subgroup_enable, "SUBGROUP_ENABLE")
            .constant("ROWS", self.rows)
            .constant("COLS", self.cols)
            .constant("BLOCKS", self.cols / 32)
            .constant("PAIRS", self.pairs())
            .constant("WORKGROUP", tuning.workgroup)
            .constant("LANES", tuning.lanes)
            .constant("THREAD_PAIRS", tuning.pairs)
            .constant("TOKENS", tuning.tokens)
            .constant("GRID_X", self.grid()[0])
            .float("EPS", self.norm_eps.unwrap_or_default());
        Some(match self.epilogue {
            Epilogue::Store => shader.part("EPILOGUE", "store"),
            Epilogue::AddTo => shader.part("EPILOGUE", "store").define_if(true, "RESIDUAL"),
            Epilogue::SwiGlu => shader.part("EPILOGUE", "swiglu"),
            Epilogue::Qkv { heads, value_offset, first_row } => shader
                .part("EPILOGUE", "qkv")
                .define_if(heads.rope_half, "ROPE_HALF")
                .constant("HEADS", heads.heads)
                .constant("KV_HEADS", heads.kv_heads)
                .constant("HEAD_DIM", heads.head_dim)
                .constant("ROPE_DIM", heads.rope_dim)
                .constant("VALUE_OFFSET", value_offset)
                .constant("FIRST_PAIR", first_row / 2),
        })
    }
}

//! Dispatch of `latent.wgsl`.

use crate::kernels::linear::with_heads;
use crate::kernels::{CacheLayout, Grid, Shader};
use crate::models::HeadShape;

/// Between projections and latent attention: norm of the latent vector, RoPE, and the append to the cache.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latent {
    /// Shapes of the heads that attend to latent vectors.
    pub heads: HeadShape,
    /// Elements of a projected query before those with the position.
    pub key_dim: u32,
    /// The KV cache.
    pub cache: CacheLayout,
    /// Epsilon of the norm.
    pub eps: f32,
}

impl Latent {
    /// The kernel.
    pub fn shader(&self) -> Shader {
        debug_assert!(self.heads.kv_heads == 1 && !self.heads.rope_half, "there is one key, and pairs are adjacent");
        with_heads(Shader::new("attention/latent.wgsl"), &self.heads, &self.cache)
            .constant("KEY_DIM", self.key_dim)
            .constant("WORKGROUP", 128)
            .float("EPS", self.eps)
    }

    /// Workgroups of the kernel.
    pub fn grid(&self) -> Grid {
        Grid::TokensInY { x: self.heads.heads + 1, z: 1 }
    }
}

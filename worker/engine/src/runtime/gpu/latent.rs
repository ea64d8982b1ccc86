//! Dispatches of latent attention, before and after the attention itself.

use super::mixers::AttentionBuilder;
use super::product::{Input, Output};
use crate::error::Result;
use crate::kernels::attention::latent::Latent;
use crate::kernels::linear::{Epilogue, HeadRows};
use crate::models::{LatentConfig, LatentPlan};
use crate::runtime::device::{Dispatch, Task};

/// Stores a product.
fn stored(y: &wgpu::Buffer, rows: u32) -> Output<'_> {
    Output { epilogue: Epilogue::STORE, y, rows, extra: &[] }
}

impl AttentionBuilder<'_> {
    /// Computes queries for latent keys, into the query buffer, and the tokens' keys, into the cache.
    pub(super) fn latent_queries_and_key(
        &self,
        program: &mut Vec<Dispatch>,
        config: LatentConfig,
        plan: &LatentPlan,
    ) -> Result<()> {
        let (forward, buffers, heads) = (self.forward, self.forward.buffers, self.config.heads);
        let products = forward.products();
        let queries = stored(&buffers.projected, self.config.query_rows());
        if let Some(((compressed, norm), rank)) = plan.compressed_query.as_ref().zip(config.query_rank) {
            products.push(program, compressed, &self.input(), &stored(&buffers.mixed, rank))?;
            let input = Input { norm: Some(*norm), ..Input::new(&buffers.mixed) };
            products.push(program, &plan.query, &input, &queries)?;
        } else {
            products.push(program, &plan.query, &self.input(), &queries)?;
        }
        products.push(program, &self.plan.qkv, &self.input(), &stored(&buffers.mixed, self.config.key_len()))?;

        let input_stride = config.key_dim + heads.rope_dim;
        let rows = HeadRows { heads: heads.heads, rows: heads.value_dim, input_stride };
        let input = Input { heads: Some(rows), ..Input::new(&buffers.projected) };
        products.push(program, &[plan.keys], &input, &stored(&buffers.inner, heads.head_dim))?;

        let kernel = Latent { heads, key_dim: config.key_dim, cache: self.cache, eps: forward.config.norm_eps };
        let bound = [
            ("state", &buffers.state),
            ("queries", &buffers.projected),
            ("latents", &buffers.mixed),
            ("norm_weight", forward.weights.vector(plan.norm)),
            ("rope", self.rope()),
            ("y", &buffers.inner),
            ("kv", self.kv),
        ];
        let dispatch = Dispatch::new(forward.gpu, &kernel.shader(), &bound, kernel.grid());
        program.push(dispatch.computing(Task::Latent(kernel)));
        Ok(())
    }

    /// Expands what each head attended to: a weighted sum of latent vectors.
    pub(super) fn latent_values(
        &self,
        program: &mut Vec<Dispatch>,
        config: LatentConfig,
        plan: &LatentPlan,
    ) -> Result<()> {
        let (buffers, heads, merge) = (self.forward.buffers, self.config.heads, self.merged_parts(self.splits()));
        let x = if merge.is_some() { &buffers.splits } else { &buffers.projected };
        let rows = HeadRows { heads: heads.heads, rows: config.value_dim, input_stride: heads.value_dim };
        let input = Input { heads: Some(rows), merge, ..Input::new(x) };
        self.forward.products().push(program, &[plan.values], &input, &stored(&buffers.mixed, config.value_dim))
    }
}

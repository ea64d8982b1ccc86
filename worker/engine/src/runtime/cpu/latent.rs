//! Latent attention on the CPU, before and after the attention itself.

use super::attention::LayerCache;
use super::forward::MixerInput;
use super::layers::{project, project_heads};
use super::ops::{rms_norm, rope};
use crate::models::{AttentionConfig, LatentPlan, Product};

impl MixerInput<'_> {
    /// Queries for latent keys: `[tokens][heads][rank + rope_dim]`. Appends the tokens' keys, of which `key` computes
    /// `[rank + rope_dim]`, to the cache.
    pub(super) fn latent_queries(
        &self,
        attention: &AttentionConfig,
        (key, plan): (&Product, &LatentPlan),
        (angles, position): (&[[f32; 2]], usize),
        cache: &mut LayerCache,
    ) -> Vec<f32> {
        let heads = &attention.heads;
        let [head_count, rank, rope_dim] = [heads.heads, heads.value_dim, heads.rope_dim].map(|len| len as usize);
        let query_len = attention.query_rows() as usize / head_count;
        let key_dim = query_len - rope_dim;
        let projected = self.projected_queries(attention, plan);
        let by_key = project_heads(self.weights, plan.keys, &projected, (head_count, query_len), [rank, key_dim]);
        let keys = self.project(key, attention.key_len(), None);
        let (norm, eps) = (self.weights.vector(plan.norm), self.config.norm_eps);

        cache.begin(position);
        let mut queries = Vec::with_capacity(by_key.len() / rank * (rank + rope_dim));
        let tokens = keys.chunks_exact(rank + rope_dim).zip(by_key.chunks_exact(head_count * rank));
        let tokens = tokens.zip(projected.chunks_exact(head_count * query_len));
        for (position, ((key, by_key), projected)) in (position..).zip(tokens) {
            let angles = &angles[position * (rope_dim / 2)..][..rope_dim / 2];
            let (latent, rest) = key.split_at(rank);
            cache.keys.extend(rms_norm(latent, norm, eps));
            cache.keys.extend_from_slice(rest);
            let at = cache.keys.len() - rope_dim;
            rope(&mut cache.keys[at..], angles, heads);
            for (own, projected) in by_key.chunks_exact(rank).zip(projected.chunks_exact(query_len)) {
                queries.extend_from_slice(own);
                queries.extend_from_slice(&projected[key_dim..]);
                let at = queries.len() - rope_dim;
                rope(&mut queries[at..], angles, heads);
            }
        }
        queries
    }

    /// Queries as the layer projects them: `[tokens][heads][key_dim + rope_dim]`.
    fn projected_queries(&self, attention: &AttentionConfig, plan: &LatentPlan) -> Vec<f32> {
        let rank = attention.latent.and_then(|latent| latent.query_rank);
        let Some(((compression, norm), rank)) = plan.compressed_query.as_ref().zip(rank) else {
            return self.project(&plan.query, attention.query_rows(), None);
        };
        let compressed = self.project(compression, rank, None);
        let normed = rms_norm(&compressed, self.weights.vector(*norm), self.config.norm_eps);
        project(self.weights, &plan.query, &normed, rank as usize, attention.query_rows() as usize, None)
    }

    /// What each head attended to, sums of latent vectors, expanded: `[tokens][heads][value_dim]`.
    pub(super) fn latent_values(&self, attention: &AttentionConfig, plan: &LatentPlan, attended: &[f32]) -> Vec<f32> {
        let [heads, rank] = [attention.heads.heads, attention.heads.value_dim].map(|len| len as usize);
        let value_dim = attention.output_len() as usize / heads;
        project_heads(self.weights, plan.values, attended, (heads, rank), [value_dim, rank])
    }
}

//! Steps that decoders and encoders share.

use super::activations::Activations;
use super::attention::LayerCache;
use super::ops::{apply_gate, gated, rope};
use super::weights::CpuWeights;
use crate::models::{Activation, GateUpPlan, HeadShape, Product, VectorId};

/// Applies RoPE to the queries and keys of `[tokens][heads + 2 kv_heads][head_dim]`, appends keys and values to the
/// cache, and returns the queries: `[tokens][heads][head_dim]`. Without a cache there are only queries.
pub(super) fn store_heads(
    mut projected: Vec<f32>,
    heads: &HeadShape,
    angles: &[[f32; 2]],
    first_position: usize,
    mut cache: Option<&mut LayerCache>,
) -> Vec<f32> {
    let (dim, half) = (heads.head_dim as usize, heads.rope_dim as usize / 2);
    let kv_heads = if cache.is_some() { heads.kv_heads } else { 0 };
    let (query_len, key_len) = (heads.heads as usize * dim, kv_heads as usize * dim);
    let mut query = Vec::with_capacity(projected.len());
    for (position, row) in (first_position..).zip(projected.chunks_exact_mut(query_len + 2 * key_len)) {
        let (rotated, values) = row.split_at_mut(query_len + key_len);
        if half > 0 {
            let angles = &angles[position * half..][..half];
            rotated.chunks_exact_mut(dim).for_each(|head| rope(head, angles, heads));
        }
        query.extend_from_slice(&rotated[..query_len]);
        if let Some(cache) = &mut cache {
            cache.keys.extend_from_slice(&rotated[query_len..]);
            cache.values.extend_from_slice(values);
        }
    }
    query
}

/// Gate and up projections with their activation: `[tokens][rows]`.
pub(super) fn gate_up(
    weights: &CpuWeights,
    plan: &GateUpPlan,
    rows: usize,
    x: &Activations<'_>,
    activation: Activation,
) -> Vec<f32> {
    match plan {
        GateUpPlan::Apart { gate, up } => {
            let mut activated = weights.product(gate, rows, x, None);
            apply_gate(&mut activated, &weights.product(up, rows, x, None), activation);
            activated
        }
        GateUpPlan::Paired(product) => {
            let mut activated = vec![0.0; x.tokens() * rows];
            for id in product {
                let output = weights.output_rows(*id);
                let (both, half) = (output.len(), output.len() / 2);
                let mut values = vec![0.0; x.tokens() * both];
                weights.multiply(*id, 0..both, x, |token, row, value| values[token * both + row] = value);
                for (token, values) in gated(&values, half, activation).chunks_exact(half).enumerate() {
                    activated[token * rows + output.start..][..half].copy_from_slice(values);
                }
            }
            activated
        }
    }
}

/// A matrix product with `[tokens][cols]`, plus `bias`: `[tokens][rows]`.
pub(super) fn project(
    weights: &CpuWeights,
    product: &Product,
    x: &[f32],
    cols: usize,
    rows: usize,
    bias: Option<VectorId>,
) -> Vec<f32> {
    weights.product(product, rows, &Activations::new(x, cols), bias)
}

//! Steps that decoders and encoders share.

use super::activations::Activations;
use super::attention::LayerCache;
use super::ops::{activate, gated, multiply, rope};
use super::weights::CpuWeights;
use crate::models::{Activation, GateUpPlan, HeadShape, MatrixId, Product, VectorId};

/// Applies RoPE to the queries and keys of rows of queries, keys and values, appends keys and values to the cache, and
/// returns the queries: `[tokens][heads][head_dim]`. Without a cache there are only queries.
pub(super) fn store_heads(
    mut projected: Vec<f32>,
    heads: &HeadShape,
    angles: &[[f32; 2]],
    first_position: usize,
    mut cache: Option<&mut LayerCache>,
) -> Vec<f32> {
    let (dim, half) = (heads.head_dim as usize, heads.rope_dim as usize / 2);
    let [query_len, key_len, value_len] = match &cache {
        Some(_) => [heads.query_len(), heads.key_len(), heads.value_len()],
        None => [heads.query_len(), 0, 0],
    }
    .map(|len| len as usize);
    let mut query = Vec::with_capacity(projected.len());
    for (position, row) in (first_position..).zip(projected.chunks_exact_mut(query_len + key_len + value_len)) {
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
            activate(&mut activated, activation);
            multiply(&mut activated, &weights.product(up, rows, x, None));
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

/// The products of heads with their own rows of a matrix, `rows` per head. `x` has `input_len` elements per head, of
/// which the first `cols` are multiplied: `[tokens][heads][input_len]`; the result is `[tokens][heads][rows]`.
pub(super) fn project_heads(
    weights: &CpuWeights,
    matrix: MatrixId,
    x: &[f32],
    (heads, input_len): (usize, usize),
    [rows, cols]: [usize; 2],
) -> Vec<f32> {
    let mut y = vec![0.0; x.len() / input_len * rows];
    for head in 0..heads {
        let own = x.chunks_exact(input_len).skip(head).step_by(heads);
        let own: Vec<f32> = own.flat_map(|input| &input[..cols]).copied().collect();
        let first = head * rows;
        let store = |token: usize, row: usize, value| y[(token * heads + head) * rows + row - first] = value;
        weights.multiply(matrix, first..first + rows, &Activations::new(&own, cols), store);
    }
    y
}

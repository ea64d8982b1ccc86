//! Steps that decoders and encoders share.

use super::activations::Activations;
use super::attention::LayerCache;
use super::ops::{activate, apply_gate, cut_gates, gated, rope};
use super::weights::CpuWeights;
use crate::models::{Activation, ExpertConfig, GateUpPlan, HeadShape, MatrixId, Product, VectorId};

/// Applies RoPE to the queries and keys in rows of `row_len`, the first of them at `first_position`. A row has queries,
/// keys and values, or only queries.
pub(super) fn rotate_heads(
    rows: &mut [f32],
    row_len: usize,
    heads: &HeadShape,
    angles: &[[f32; 2]],
    first_position: usize,
) {
    let (dim, half) = (heads.head_dim as usize, heads.rope_dim as usize / 2);
    if half == 0 {
        return;
    }
    let rotated_len = row_len.min((heads.heads + heads.kv_heads) as usize * dim);
    for (position, row) in (first_position..).zip(rows.chunks_exact_mut(row_len)) {
        let angles = &angles[position * half..][..half];
        row[..rotated_len].chunks_exact_mut(dim).for_each(|head| rope(head, angles, heads));
    }
}

/// Appends the keys and values in rows of queries, keys and values to the cache, and returns the queries:
/// `[tokens][heads][head_dim]`. Without a cache there are only queries.
pub(super) fn store_heads(rows: Vec<f32>, heads: &HeadShape, cache: Option<&mut LayerCache>) -> Vec<f32> {
    let Some(cache) = cache else { return rows };
    let [query_len, key_len, value_len] =
        [heads.query_len(), heads.key_len(), heads.value_len()].map(|len| len as usize);
    let mut query = Vec::with_capacity(rows.len());
    for row in rows.chunks_exact(query_len + key_len + value_len) {
        let (queries, rest) = row.split_at(query_len);
        let (keys, values) = rest.split_at(key_len);
        query.extend_from_slice(queries);
        cache.keys.extend_from_slice(keys);
        cache.values.extend_from_slice(values);
    }
    query
}

/// Gate and up projections, or just the latter, with their activation: `[tokens][rows]`.
pub(super) fn gate_up(
    weights: &CpuWeights,
    plan: &GateUpPlan,
    rows: usize,
    x: &Activations<'_>,
    activation: Activation,
) -> Vec<f32> {
    match plan {
        GateUpPlan::Ungated(up, bias) => {
            let mut activated = weights.product(up, rows, x, *bias);
            activate(&mut activated, activation);
            activated
        }
        GateUpPlan::Apart { gate, up, cutoff } => {
            let mut activated = weights.product(gate, rows, x, None);
            if let Some(cutoff) = cutoff {
                cut_gates(&mut activated, rows, *cutoff);
            }
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

/// The outputs of each token's experts, `[tokens][used][width]`, for `input`, `[tokens][width]`. `chosen` is
/// `[tokens][used]`. `compute` gets an expert and the inputs of all its tokens, so that weights are unpacked for several
/// at once, and returns their outputs.
pub(super) fn by_expert(
    input: &[f32],
    width: usize,
    chosen: &[u32],
    config: &ExpertConfig,
    mut compute: impl FnMut(usize, &Activations<'_>) -> Vec<f32>,
) -> Vec<f32> {
    let mut slots = vec![Vec::new(); config.count as usize];
    for (slot, expert) in chosen.iter().enumerate() {
        slots[*expert as usize].push(slot);
    }
    let mut outputs = vec![0.0; chosen.len() * width];
    for (expert, slots) in slots.iter().enumerate().filter(|(_, slots)| !slots.is_empty()) {
        let row_of = |slot: &usize| &input[slot / config.used as usize * width..][..width];
        let own: Vec<f32> = slots.iter().flat_map(row_of).copied().collect();
        let results = compute(expert, &Activations::new(&own, width));
        for (slot, result) in slots.iter().zip(results.chunks_exact(width)) {
            outputs[slot * width..][..width].copy_from_slice(result);
        }
    }
    outputs
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Scoring;

    #[test]
    fn experts_get_all_tokens_that_chose_them_at_once() {
        let (width, used) = (32, 2);
        let config = ExpertConfig {
            count: 5,
            used: used as u32,
            feed_forward_len: 32,
            scoring: Scoring::Softmax,
            normalise: false,
            weight_scale: 1.0,
            shared_len: None,
            latent_len: None,
            groups: None,
            has_norms: false,
        };
        let input: Vec<f32> = (0..3 * width).map(|i| i as f32).collect();
        for chosen in [[4, 0, 1, 4, 0, 4], [2; 6]] {
            let mut asked = Vec::new();
            let outputs = by_expert(&input, width, &chosen, &config, |expert, x| {
                asked.push(expert);
                let rows = (0..x.tokens()).flat_map(|token| x.floats(token).to_vec());
                rows.map(|value| value + 1000.0 * expert as f32).collect()
            });
            for (slot, (output, expert)) in outputs.chunks_exact(width).zip(&chosen).enumerate() {
                let row = input[slot / used * width..][..width].iter();
                assert!(output.iter().copied().eq(row.map(|value| value + 1000.0 * *expert as f32)));
            }
            let mut expected = chosen.to_vec();
            expected.sort_unstable();
            expected.dedup();
            assert!(asked.into_iter().eq(expected.iter().map(|expert| *expert as usize)), "once each");
        }
    }
}

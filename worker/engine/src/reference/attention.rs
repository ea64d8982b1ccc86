//! Twin of `kernels/attention.wgsl`.

use crate::models::HeadShape;

/// Causal attention of queries at positions `first_position..`.
///
/// `q` is `[tokens][heads][head_dim]`, `keys` and `values` `[positions][kv_heads][head_dim]`; the result has the
/// shape of `q`. Formula: Vaswani et al. 2017, equation 1.
pub fn attention(q: &[f32], keys: &[f32], values: &[f32], first_position: usize, shape: &HeadShape) -> Vec<f32> {
    let (heads, kv_heads, dim) = (shape.heads as usize, shape.kv_heads as usize, shape.head_dim as usize);
    let mut result = Vec::with_capacity(q.len());
    for (index, query) in q.chunks_exact(dim).enumerate() {
        let (token, head) = (index / heads, index % heads);
        let kv_head = head / (heads / kv_heads);
        let row = |position: usize| (position * kv_heads + kv_head) * dim;
        let scores: Vec<f64> = (0..=first_position + token)
            .map(|position| {
                let key = &keys[row(position)..][..dim];
                let dot: f64 = query.iter().zip(key).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                dot / (dim as f64).sqrt()
            })
            .collect();
        let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| (score - highest).exp()).collect();
        let total: f64 = weights.iter().sum();
        for i in 0..dim {
            let sum: f64 =
                weights.iter().enumerate().map(|(position, w)| w * f64::from(values[row(position) + i])).sum();
            result.push((sum / total) as f32);
        }
    }
    result
}

//! References of `gated_norm.wgsl`, `gate_cutoff.wgsl` and of the norms of `head_norm.wgsl`. RMS norm and layer norm are in
//! `linear/reference.rs`.

use super::HeadNormKernel;
use crate::kernels::linear::reference::{layer_norm, rms_norm};
use crate::models::{HeadNorm, HeadShape};

/// The norms of rows of queries, keys and values, or only of queries, in place: `[heads + kv_heads][head_dim]`, then
/// `[kv_heads][value_dim]`. `weights` and `biases` are those of the queries' norm and of the keys'. The caller applies
/// RoPE, before or after.
pub fn norm_heads(rows: &mut [f32], [weights, biases]: [&[Vec<f32>; 2]; 2], kernel: &HeadNormKernel) {
    let kv_heads = if kernel.queries_only { 0 } else { kernel.heads.kv_heads };
    let heads = HeadShape { kv_heads, ..kernel.heads };
    let [query_len, key_len, value_len] =
        [heads.query_len(), heads.key_len(), heads.value_len()].map(|len| len as usize);
    for row in rows.chunks_exact_mut(query_len + key_len + value_len) {
        let (queries, others) = row.split_at_mut(query_len);
        let (keys, values) = others.split_at_mut(key_len);
        for (part, (weight, bias)) in [queries, keys].into_iter().zip(weights.iter().zip(biases)) {
            let normed = match kernel.kind {
                HeadNorm::None => part.to_vec(),
                _ if kernel.centred => layer_norm(part, weight, bias, kernel.eps),
                HeadNorm::CentredHead => {
                    let dim = heads.head_dim as usize;
                    let pairs = part.chunks_exact(dim).zip(weight.chunks_exact(dim));
                    pairs.flat_map(|(head, weight)| layer_norm(head, weight, &vec![0.0; dim], kernel.eps)).collect()
                }
                HeadNorm::Head | HeadNorm::HeadAfterRope | HeadNorm::Row => rms_norm(part, weight, kernel.eps),
            };
            part.copy_from_slice(&normed);
        }
        if kernel.value_norm {
            values.copy_from_slice(&rms_norm(values, &vec![1.0; heads.value_dim as usize], kernel.eps));
        }
    }
}

/// What exceeds the mean of each row of `len` by more than so many standard deviations of a sample, or zero.
pub fn cut_gates(rows: &[f32], len: usize, deviations: f32) -> Vec<f32> {
    let cut = |row: &[f32]| -> Vec<f32> {
        let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / len as f64;
        let squares = row.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>();
        let cutoff = mean + f64::from(deviations) * (squares / (len - 1) as f64).sqrt();
        row.iter().map(|x| (f64::from(*x) - cutoff).max(0.0) as f32).collect()
    };
    rows.chunks_exact(len).flat_map(cut).collect()
}

/// `x * weight / sqrt(mean(x²) + eps)` for each head of `x * silu(z)`, `[tokens][heads][head_dim]`; `weight` is
/// `[heads][head_dim]`, `gates` has the shape of `x`.
pub fn gated_norm_after_gate(x: &[f32], weight: &[f32], gates: &[f32], head_dim: usize, eps: f32) -> Vec<f32> {
    let silu = |z: f32| f64::from(z) / (1.0 + (-f64::from(z)).exp());
    let products: Vec<f64> = x.iter().zip(gates).map(|(x, gate)| f64::from(*x) * silu(*gate)).collect();
    let heads = products.chunks_exact(head_dim).zip(weight.chunks_exact(head_dim).cycle());
    heads
        .flat_map(|(head, weight)| {
            let mean_square = head.iter().map(|x| x * x).sum::<f64>() / head_dim as f64;
            let scale = 1.0 / (mean_square + f64::from(eps)).sqrt();
            head.iter().zip(weight).map(move |(x, weight)| (x * scale * f64::from(*weight)) as f32)
        })
        .collect()
}

/// `x * weight / sqrt(mean(x²) + eps) * silu(z)` for each head of `x`, `[tokens][heads][weight.len()]`; `gates` has the
/// shape of `x`.
pub fn gated_norm(x: &[f32], weight: &[f32], gates: &[f32], eps: f32) -> Vec<f32> {
    let heads = x.chunks_exact(weight.len()).zip(gates.chunks_exact(weight.len()));
    heads
        .flat_map(|(head, gates)| {
            let mean_square = head.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / head.len() as f64;
            let scale = 1.0 / (mean_square + f64::from(eps)).sqrt();
            head.iter().zip(weight).zip(gates).map(move |((x, weight), gate)| {
                let gate = f64::from(*gate);
                (f64::from(*x) * scale * f64::from(*weight) * gate / (1.0 + (-gate).exp())) as f32
            })
        })
        .collect()
}

//! References of attention, of merging its splits, of its gates, and of latent keys.

use crate::kernels::attention::Attention;
use crate::kernels::attention::latent::Latent;
use crate::kernels::linear::reference::{rms_norm, rope};
use crate::models::HeadShape;

/// Attention of queries at positions `first_position..`; keys and values extend to the last of these positions.
///
/// `q` is `[tokens][heads][head_dim]`, `keys` are `[positions][kv_heads][head_dim]`, `values` are
/// `[positions][kv_heads][value_dim]`, `sinks` is `[heads]` or empty; the result is `[tokens][heads][value_dim]`.
/// Formula: Vaswani et al. 2017, equation 1; the soft cap is Gemma 2's, sinks are gpt-oss's.
pub fn attention(
    q: &[f32],
    [keys, values]: [&[f32]; 2],
    sinks: &[f32],
    first_position: usize,
    config: &Attention,
) -> Vec<f32> {
    let shape = &config.heads;
    let (heads, kv_heads, dim) = (shape.heads as usize, shape.kv_heads as usize, shape.head_dim as usize);
    let value_dim = shape.value_dim as usize;
    let mut result = Vec::with_capacity(q.len() / dim * value_dim);
    for (index, query) in q.chunks_exact(dim).enumerate() {
        let (token, head) = (index / heads, index % heads);
        let kv_head = head / (heads / kv_heads);
        let row = |position: usize| position * kv_heads + kv_head;
        let own_end = first_position + token + 1;
        let start = config.window.map_or(0, |window| own_end.saturating_sub(window as usize));
        let all = keys.len() / (kv_heads * dim);
        let end = match config.ahead {
            _ if !config.bidirectional => own_end,
            Some(ahead) => all.min(own_end + ahead as usize),
            None => all,
        };
        let temperature = config.temperature.map_or(1.0, |temperature| {
            let step = (first_position + token) / temperature.step as usize;
            1.0 + f64::from(temperature.scale) * (1.0 + step as f64).ln()
        });
        let scores: Vec<f64> = (start..end)
            .map(|position| {
                let key = &keys[row(position) * dim..][..dim];
                let dot: f64 = query.iter().zip(key).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                let score = dot * f64::from(config.scale) * temperature;
                let score = config.softcap.map_or(score, |cap| f64::from(cap) * (score / f64::from(cap)).tanh());
                let distance = (first_position + token).abs_diff(position);
                if config.alibi { score - slope(head, heads) * distance as f64 } else { score }
            })
            .collect();
        let sink = sinks.get(head).map_or(f64::NEG_INFINITY, |sink| f64::from(*sink));
        let highest = scores.iter().copied().fold(sink, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| (score - highest).exp()).collect();
        let total = weights.iter().sum::<f64>() + (sink - highest).exp();
        for i in 0..value_dim {
            let value = |position: usize| f64::from(values[row(position) * value_dim + i]);
            let weighted = weights.iter().zip(start..).map(|(w, position)| w * value(position));
            result.push((weighted.sum::<f64>() / total) as f32);
        }
    }
    result
}

/// How much a head's scores decrease per position: Press et al. 2022, section 3; for a number of heads that is no power
/// of two as in their code.
fn slope(head: usize, heads: usize) -> f64 {
    let largest_power = 2f64.powi(heads.ilog2() as i32);
    let head = head as f64;
    if head < largest_power {
        2f64.powf(-8.0 / largest_power).powf(head + 1.0)
    } else {
        2f64.powf(-4.0 / largest_power).powf(2.0 * (head - largest_power) + 1.0)
    }
}

/// Merges the splits of one token's attention. `parts` is `[heads][splits][value_dim + 2]`: sums of weighted values,
/// the highest score, and the sum of weights; the result is `[heads][value_dim]`.
pub fn merge(parts: &[f32], splits: usize, value_dim: usize) -> Vec<f32> {
    let part_len = value_dim + 2;
    parts
        .chunks_exact(splits * part_len)
        .flat_map(|head| {
            let highest = head.chunks_exact(part_len).map(|part| part[value_dim]).fold(f32::MIN, f32::max);
            let mut sums = vec![0.0f64; value_dim];
            let mut total = 0.0;
            for part in head.chunks_exact(part_len) {
                let factor = f64::from(part[value_dim] - highest).exp();
                total += factor * f64::from(part[value_dim + 1]);
                sums.iter_mut().zip(part).for_each(|(sum, value)| *sum += factor * f64::from(*value));
            }
            sums.into_iter().map(move |sum| (sum / total) as f32)
        })
        .collect()
}

/// The key of a token in latent attention. `row` is its projection: the latent vector, `[value_dim]`, which is
/// RMS-normalised with `weight`, then `[rope_dim]` elements, which are rotated by the `angles` of its position.
/// Formula: DeepSeek-AI 2024, "DeepSeek-V2", section 2.1.
pub fn latent_key(row: &[f32], weight: &[f32], angles: &[[f32; 2]], kernel: &Latent) -> Vec<f32> {
    let (latent, rest) = row.split_at(weight.len());
    let mut key = rms_norm(latent, weight, kernel.eps);
    let mut rotated = rest.to_vec();
    rope(&mut rotated, angles, &kernel.heads);
    key.extend(rotated);
    key
}

/// Multiplies the output of attention, `[tokens][heads][head_dim]`, by the logistic function of its gates. Rows of
/// `rows`, `[tokens][row_len]`, begin with query and gate of each head: `[heads][2][head_dim]`.
pub fn gate(y: &[f32], rows: &[f32], row_len: usize, shape: &HeadShape) -> Vec<f32> {
    let (heads, dim) = (shape.heads as usize, shape.head_dim as usize);
    y.chunks_exact(dim)
        .enumerate()
        .flat_map(|(index, values)| {
            let (token, head) = (index / heads, index % heads);
            let gates = &rows[token * row_len + (2 * head + 1) * dim..][..dim];
            let product = |(value, gate): (&f32, &f32)| (f64::from(*value) / (1.0 + (-f64::from(*gate)).exp())) as f32;
            values.iter().zip(gates).map(product)
        })
        .collect()
}

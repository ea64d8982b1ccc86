//! References of matrix products and their epilogues, and of norms.

use crate::models::{Activation, HeadShape};

/// `x * weight / sqrt(mean(x²) + eps)` for each row of `x` (`[tokens][weight.len()]`).
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32) -> Vec<f32> {
    x.chunks_exact(weight.len())
        .flat_map(|row| {
            let mean_square = row.iter().map(|v| f64::from(v * v)).sum::<f64>() / weight.len() as f64;
            let scale = 1.0 / (mean_square + f64::from(eps)).sqrt();
            row.iter().zip(weight).map(move |(v, w)| (f64::from(*v) * scale) as f32 * w)
        })
        .collect()
}

/// `(x - mean) / sqrt(variance + eps) * weight + bias` for each row of `x` (`[tokens][weight.len()]`).
pub fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], eps: f32) -> Vec<f32> {
    x.chunks_exact(weight.len())
        .flat_map(|row| {
            let len = row.len() as f64;
            let mean = row.iter().map(|v| f64::from(*v)).sum::<f64>() / len;
            let variance = row.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / len;
            let scale = 1.0 / (variance + f64::from(eps)).sqrt();
            row.iter()
                .zip(weight.iter().zip(bias))
                .map(move |(v, (w, b))| ((f64::from(*v) - mean) * scale) as f32 * w + b)
        })
        .collect()
}

/// `W x` for each row of `x`: `w` is `[rows][cols]`, `x` is `[tokens][cols]`, the result is `[tokens][rows]`.
pub fn matmul(w: &[f32], x: &[f32], cols: usize) -> Vec<f32> {
    x.chunks_exact(cols)
        .flat_map(|row| {
            w.chunks_exact(cols).map(move |weights| {
                weights.iter().zip(row).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() as f32
            })
        })
        .collect()
}

/// Activation function of a feed-forward part. GELU with tanh: Hendrycks and Gimpel 2016.
pub fn activate(x: f32, activation: Activation) -> f32 {
    let wide = f64::from(x);
    let value = match activation {
        Activation::Silu => wide / (1.0 + (-wide).exp()),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (wide + 0.044_715 * wide.powi(3));
            0.5 * wide * (1.0 + inner.tanh())
        }
        Activation::ReluSquared => wide.max(0.0).powi(2),
        Activation::GeluErf => 0.5 * wide * (1.0 + erf(wide / std::f64::consts::SQRT_2)),
        Activation::QuickGelu => wide / (1.0 + (-1.702 * wide).exp()),
        Activation::ClampedSwiglu => {
            let z = wide.min(7.0);
            z / (1.0 + (-1.702 * z).exp())
        }
    };
    value as f32
}

/// The error function by its series (Abramowitz and Stegun 1964, 7.1.6), which converges everywhere.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let mut term = x;
    let mut sum = x;
    for n in 1..200 {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
    }
    2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp() * sum
}

/// An up projection with its gate: `activation(gate) * up`. Formula of [`Activation::ClampedSwiglu`]: function `swiglu` of
/// OpenAI's gpt-oss.
pub fn gate_up(gate: f32, up: f32, activation: Activation) -> f32 {
    let up = match activation {
        Activation::ClampedSwiglu => up.clamp(-7.0, 7.0) + 1.0,
        Activation::Silu
        | Activation::GeluTanh
        | Activation::GeluErf
        | Activation::QuickGelu
        | Activation::ReluSquared => up,
    };
    activate(gate, activation) * up
}

/// [`gate_up`] for each row of `y` (`[tokens][gate rows, then up rows]`, each `half_rows`).
pub fn gated(y: &[f32], half_rows: usize, activation: Activation) -> Vec<f32> {
    y.chunks_exact(2 * half_rows)
        .flat_map(|row| {
            let (gate, up) = row.split_at(half_rows);
            gate.iter().zip(up).map(move |(g, u)| gate_up(*g, *u, activation))
        })
        .collect()
}

/// Rotates one head by the angles of a position (`[rope_dim / 2]` pairs of cosine and sine), in place.
///
/// The elements of a pair are adjacent, or half of `rope_dim` apart with `rope_half`. Formula: Su et al. 2021, section
/// 3.2.2.
pub fn rope(head: &mut [f32], angles: &[[f32; 2]], shape: &HeadShape) {
    let half = shape.rope_dim as usize / 2;
    for (i, [cos, sin]) in angles.iter().enumerate().take(half) {
        let (first, second) = if shape.rope_half { (i, i + half) } else { (2 * i, 2 * i + 1) };
        let (a, b) = (head[first], head[second]);
        head[first] = a * cos - b * sin;
        head[second] = a * sin + b * cos;
    }
}

/// Reference of `quantise.wgsl`, and of what `matvec_integers.wgsl` does to its input: rounds each 32 values to multiples
/// of 1/127 of the largest of them.
pub fn rounded_to_bytes(x: &[f32]) -> Vec<f32> {
    let block = |block: &[f32]| {
        let largest = block.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        let scale = largest / 127.0;
        let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
        block.iter().map(|value| scale * (value * inverse).round_ties_even()).collect::<Vec<_>>()
    };
    x.chunks(32).flat_map(block).collect()
}

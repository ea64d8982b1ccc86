//! RoPE angles, computed once in double precision: WGSL promises little of `sin` and `cos` at large arguments.

use super::{HeadShape, RopeConfig};

/// Cosine and sine for each position and pair: `[positions][rope_dim / 2]`.
///
/// Formula: Su et al. 2021, equation 15. `frequency_divisors`, one a pair, are the factors of `rope_freqs.weight`
/// (Llama 3's scaling), where the file has them.
pub fn rope_angles(
    rope: &RopeConfig,
    heads: &HeadShape,
    positions: u32,
    frequency_divisors: Option<&[f32]>,
) -> Vec<[f32; 2]> {
    let pairs = heads.rope_dim / 2;
    let frequencies: Vec<f64> = (0..pairs)
        .map(|pair| {
            let divisor = frequency_divisors.and_then(|divisors| divisors.get(pair as usize)).copied().unwrap_or(1.0);
            let exponent = -2.0 * f64::from(pair) / f64::from(heads.rope_dim);
            f64::from(rope.base).powf(exponent) / f64::from(divisor) / f64::from(rope.linear_factor)
        })
        .collect();
    (0..positions)
        .flat_map(|position| {
            frequencies.iter().map(move |frequency| {
                let (sin, cos) = (f64::from(position) * frequency).sin_cos();
                [cos as f32, sin as f32]
            })
        })
        .collect()
}

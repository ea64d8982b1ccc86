//! Norms, activation functions, RoPE and expert routing in single precision.
//!
//! Tests compare these with the kernels' reference implementations. Nothing here calls those, or the CPU would be
//! tested against itself.

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, SQRT_2};

use wide::f32x4;

use super::matrix::dot_floats;
use crate::models::{Activation, ExpertConfig, ExpertGroups, HeadShape, Scoring};

/// RMS norm of each row of `x`: `[tokens][weight.len()]`.
pub(super) fn rms_norm(x: &[f32], weight: &[f32], eps: f32) -> Vec<f32> {
    let mut normed = Vec::with_capacity(x.len());
    for row in x.chunks_exact(weight.len()) {
        let mean_square = dot_floats(row, row) / row.len() as f32;
        let scale = (mean_square + eps).sqrt().recip();
        normed.extend(row.iter().zip(weight).map(|(value, weight)| value * scale * weight));
    }
    normed
}

/// RMS norm in place, without weights.
pub(super) fn normalise(x: &mut [f32], eps: f32) {
    let mean_square = dot_floats(x, x) / x.len() as f32;
    let scale = (mean_square + eps).sqrt().recip();
    for value in x {
        *value *= scale;
    }
}

/// Layer norm of each row of `x`: `[tokens][weight.len()]`.
pub(super) fn layer_norm(x: &[f32], weight: &[f32], bias: Option<&[f32]>, eps: f32) -> Vec<f32> {
    let mut normed = Vec::with_capacity(x.len());
    for row in x.chunks_exact(weight.len()) {
        let mean = sum(row) / row.len() as f32;
        let centred: Vec<f32> = row.iter().map(|value| value - mean).collect();
        let variance = dot_floats(&centred, &centred) / row.len() as f32;
        let scale = (variance + eps).sqrt().recip();
        normed.extend(centred.iter().zip(weight).map(|(value, weight)| value * scale * weight));
    }
    if let Some(bias) = bias {
        for row in normed.chunks_exact_mut(bias.len()) {
            row.iter_mut().zip(bias).for_each(|(value, bias)| *value += bias);
        }
    }
    normed
}

fn sum(values: &[f32]) -> f32 {
    let (vectors, rest) = values.as_chunks::<4>();
    let total: f32x4 = vectors.iter().map(|vector| f32x4::new(*vector)).sum();
    total.reduce_add() + rest.iter().sum::<f32>()
}

/// Applies an activation function to each value, in place.
pub(super) fn activate(values: &mut [f32], activation: Activation) {
    match activation {
        Activation::Silu => apply(values, silu),
        Activation::GeluTanh => apply(values, gelu_tanh),
        Activation::GeluErf => apply(values, gelu_erf),
        Activation::QuickGelu => apply(values, quick_gelu),
        Activation::ClampedSwiglu => apply(values, clamped_silu),
    }
}

/// Applies the logistic function to each value, in place.
pub(super) fn sigmoid(values: &mut [f32]) {
    apply(values, logistic);
}

/// Multiplies each value by its factor, in place.
pub(super) fn multiply(values: &mut [f32], factors: &[f32]) {
    values.iter_mut().zip(factors).for_each(|(value, factor)| *value *= factor);
}

/// Replaces gates with `activation(gate) * up`; [`Activation::ClampedSwiglu`] also changes the second factor.
pub(super) fn apply_gate(gates: &mut [f32], up: &[f32], activation: Activation) {
    activate(gates, activation);
    if activation == Activation::ClampedSwiglu {
        let factors = up.iter().map(|up| up.clamp(-GATE_LIMIT, GATE_LIMIT) + 1.0);
        gates.iter_mut().zip(factors).for_each(|(gate, factor)| *gate *= factor);
    } else {
        multiply(gates, up);
    }
}

/// [`apply_gate`] for each row of `y`: `[tokens][gate rows, then up rows]`, each `half_rows`.
pub(super) fn gated(y: &[f32], half_rows: usize, activation: Activation) -> Vec<f32> {
    let mut result = vec![0.0; y.len() / 2];
    for (result, row) in result.chunks_exact_mut(half_rows).zip(y.chunks_exact(2 * half_rows)) {
        let (gate, up) = row.split_at(half_rows);
        result.copy_from_slice(gate);
        apply_gate(result, up, activation);
    }
    result
}

/// Applies a function to each value, four at a time.
#[inline]
fn apply(values: &mut [f32], function: impl Fn(f32x4) -> f32x4) {
    let (vectors, rest) = values.as_chunks_mut::<4>();
    for vector in vectors {
        *vector = function(f32x4::new(*vector)).to_array();
    }
    let mut last = [0.0; 4];
    last[..rest.len()].copy_from_slice(rest);
    let last = function(f32x4::new(last)).to_array();
    rest.copy_from_slice(&last[..rest.len()]);
}

fn logistic(x: f32x4) -> f32x4 {
    f32x4::ONE / (f32x4::ONE + (-x).exp())
}

fn silu(x: f32x4) -> f32x4 {
    x * logistic(x)
}

fn quick_gelu(x: f32x4) -> f32x4 {
    x * logistic(x * 1.702)
}

/// The bound of [`Activation::ClampedSwiglu`].
const GATE_LIMIT: f32 = 7.0;

fn clamped_silu(x: f32x4) -> f32x4 {
    quick_gelu(x.min(f32x4::splat(GATE_LIMIT)))
}

/// The tanh approximation (Hendrycks and Gimpel 2016), where `(1 + tanh(z)) / 2` is the logistic function of `2 z`.
fn gelu_tanh(x: f32x4) -> f32x4 {
    // 2 sqrt(2 / π)
    let scale = FRAC_2_SQRT_PI * SQRT_2;
    x * logistic((x + x * x * x * 0.044_715) * scale)
}

/// `x Φ(x)`, where `Φ(-|x|)` is half of `erfc(|x| / sqrt(2))`.
fn gelu_erf(x: f32x4) -> f32x4 {
    let size = x.abs();
    x.max(f32x4::ZERO) - size * 0.5 * erfc(size * FRAC_1_SQRT_2)
}

/// The complementary error function for `x >= 0`, with an error of at most 1.5e-7 (Abramowitz and Stegun 1964, 7.1.26).
fn erfc(x: f32x4) -> f32x4 {
    let t = f32x4::ONE / (x * 0.327_591_1 + 1.0);
    let polynomial = (((t * 1.061_405_4 - 1.453_152_1) * t + 1.421_413_8) * t - 0.284_496_72) * t + 0.254_829_6;
    polynomial * t * (-x * x).exp()
}

/// Rotates one head by a position's angles, in place. `angles` are `[rope_dim / 2]` pairs of cosine and sine.
///
/// The elements of a pair are neighbours, or half of `rope_dim` apart with `rope_half`.
pub(super) fn rope(head: &mut [f32], angles: &[[f32; 2]], shape: &HeadShape) {
    let rotated = &mut head[..shape.rope_dim as usize];
    if shape.rope_half {
        let (first, second) = rotated.split_at_mut(shape.rope_dim as usize / 2);
        for ((a, b), angle) in first.iter_mut().zip(second).zip(angles) {
            [*a, *b] = rotate([*a, *b], *angle);
        }
    } else {
        for (pair, angle) in rotated.as_chunks_mut::<2>().0.iter_mut().zip(angles) {
            *pair = rotate(*pair, *angle);
        }
    }
}

fn rotate([a, b]: [f32; 2], [cos, sin]: [f32; 2]) -> [f32; 2] {
    [a * cos - b * sin, a * sin + b * cos]
}

/// Sums of likelihoods below this count as this, as in llama.cpp.
const MIN_LIKELIHOOD_SUM: f32 = 6.103_515_6e-5;

/// Each token's experts, best first: `[tokens][used]`, and the weights of the outputs: `[tokens][outputs]`. `logits` is
/// `[tokens][count]`, or with a gate of the shared expert `[tokens][count + 1]`; `bias` is added to the experts'
/// likelihoods for the choice.
pub(super) fn route(
    logits: &[f32],
    bias: Option<&[f32]>,
    config: &ExpertConfig,
    is_gated: bool,
) -> (Vec<u32>, Vec<f32>) {
    let (count, used) = (config.count as usize, config.used as usize);
    let mut chosen: Vec<u32> = Vec::new();
    let mut weights: Vec<f32> = Vec::new();
    for row in logits.chunks_exact(count + usize::from(is_gated)) {
        let scores = &row[..count];
        let likelihoods = likelihoods(scores, config.scoring);
        let ranks: Vec<f32> = match bias {
            Some(bias) => likelihoods.iter().zip(bias).map(|(likelihood, bias)| likelihood + bias).collect(),
            None if config.groups.is_some() => likelihoods.clone(),
            None => scores.to_vec(),
        };
        let rank = |expert: &u32| ranks[*expert as usize];
        let by_rank = |a: &u32, b: &u32| rank(b).total_cmp(&rank(a)).then(a.cmp(b));
        let mut experts: Vec<u32> = match config.groups {
            Some(groups) => best_groups(&ranks, groups),
            None => (0..config.count).collect(),
        };
        experts.select_nth_unstable_by(used - 1, by_rank);
        experts.truncate(used);
        experts.sort_unstable_by(by_rank);
        let own: Vec<f32> = experts.iter().map(|expert| likelihoods[*expert as usize]).collect();
        let total = if config.normalise { own.iter().sum::<f32>().max(MIN_LIKELIHOOD_SUM) } else { 1.0 };
        weights.extend(own.iter().map(|likelihood| config.weight_scale * likelihood / total));
        if config.shared_len.is_some() {
            weights.push(if is_gated { logistic(f32x4::splat(row[count])).to_array()[0] } else { 1.0 });
        }
        chosen.extend(experts);
    }
    (chosen, weights)
}

/// The experts of the best groups, which have the highest sums of their two highest ranks.
fn best_groups(ranks: &[f32], groups: ExpertGroups) -> Vec<u32> {
    let len = ranks.len() / groups.count as usize;
    let sum_of_best = |ranks: &[f32]| {
        let [first, second] = ranks.iter().fold([f32::NEG_INFINITY; 2], |[first, second], rank| {
            if *rank > first { [*rank, first] } else { [first, second.max(*rank)] }
        });
        first + second
    };
    let sums: Vec<f32> = ranks.chunks_exact(len).map(sum_of_best).collect();
    let mut best: Vec<usize> = (0..sums.len()).collect();
    best.sort_by(|a, b| sums[*b].total_cmp(&sums[*a]).then(a.cmp(b)));
    best.truncate(groups.used as usize);
    best.into_iter().flat_map(|group| (group * len) as u32..((group + 1) * len) as u32).collect()
}

/// The likelihoods of experts with these scores.
fn likelihoods(scores: &[f32], scoring: Scoring) -> Vec<f32> {
    let mut likelihoods = scores.to_vec();
    match scoring {
        Scoring::Sigmoid => apply(&mut likelihoods, logistic),
        Scoring::Softmax => {
            let highest = f32x4::splat(scores.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            apply(&mut likelihoods, |score| (score - highest).exp());
            let total = sum(&likelihoods);
            for likelihood in &mut likelihoods {
                *likelihood /= total;
            }
        }
    }
    likelihoods
}

/// The weighted sum over each token's experts. `x` is `[tokens][used][len]`, `shared` the outputs of the shared expert,
/// `[tokens][len]`; the result is `[tokens][len]`.
pub(super) fn expert_sum(
    x: &[f32],
    shared: Option<&[f32]>,
    weights: &[f32],
    config: &ExpertConfig,
    len: usize,
) -> Vec<f32> {
    let (used, outputs) = (config.used as usize, config.outputs() as usize);
    let mut sums = vec![0.0; x.len() / used];
    let tokens = x.chunks_exact(used * len).zip(weights.chunks_exact(outputs)).enumerate();
    for (sums, (token, (rows, weights))) in sums.chunks_exact_mut(len).zip(tokens) {
        let shared = shared.map(|shared| &shared[token * len..][..len]);
        for (row, weight) in rows.chunks_exact(len).chain(shared).zip(weights) {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::super::assert_close;
    use super::*;
    use crate::kernels::experts::{Router, reference};
    use crate::kernels::linear;
    use crate::kernels::random::Random;

    const ACTIVATIONS: [Activation; 5] =
        [Activation::Silu, Activation::GeluTanh, Activation::GeluErf, Activation::QuickGelu, Activation::ClampedSwiglu];

    #[test]
    fn norms_agree_with_the_reference() {
        let mut random = Random(1);
        for len in [3, 64, 101] {
            let (weight, bias) = (random.floats(len), random.floats(len));
            // With a mean far from zero, which layer norms have to subtract.
            let x: Vec<f32> = random.floats(5 * len).iter().map(|value| 3.0 * value + 2.0).collect();
            assert_close(&rms_norm(&x, &weight, 1e-5), &linear::reference::rms_norm(&x, &weight, 1e-5));
            let expected = linear::reference::layer_norm(&x, &weight, &bias, 1e-5);
            assert_close(&layer_norm(&x, &weight, Some(&bias), 1e-5), &expected);
        }
    }

    #[test]
    fn activations_agree_with_the_reference() {
        for activation in ACTIVATIONS {
            let x: Vec<f32> = (-3001..3001).map(|i| i as f32 / 200.0).chain([-1e4, -100.0, 100.0, 1e4]).collect();
            let mut actual = x.clone();
            activate(&mut actual, activation);
            for (x, actual) in x.iter().zip(actual) {
                let expected = linear::reference::activate(*x, activation);
                // Relative to the input, which is stricter than relative to the largest output.
                assert!((actual - expected).abs() <= 1e-6 * x.abs(), "{activation:?} of {x}: {actual}, not {expected}");
            }
        }
    }

    #[test]
    fn gates_agree_with_the_reference() {
        // Some beyond the limits.
        let y: Vec<f32> = Random(2).floats(3 * 2 * 37).iter().map(|value| 10.0 * value).collect();
        for activation in ACTIVATIONS {
            assert_close(&gated(&y, 37, activation), &linear::reference::gated(&y, 37, activation));
        }
    }

    #[test]
    fn sigmoids_saturate() {
        let mut values = [0.0, 1.0, -1.0, 200.0, -200.0];
        sigmoid(&mut values);
        assert_close(&values, &[0.5, 0.731_058_6, 0.268_941_43, 1.0, 0.0]);
    }

    #[test]
    fn rope_agrees_with_the_reference() {
        let mut random = Random(3);
        for (rope_dim, rope_half) in [(16, false), (16, true), (10, false), (10, true)] {
            let shape = HeadShape { heads: 1, kv_heads: 1, head_dim: 16, value_dim: 16, rope_dim, rope_half };
            let angles: Vec<[f32; 2]> = random.floats(8).iter().map(|angle| [angle.cos(), angle.sin()]).collect();
            let head = random.floats(16);
            let (mut actual, mut expected) = (head.clone(), head);
            rope(&mut actual, &angles, &shape);
            linear::reference::rope(&mut expected, &angles, &shape);
            assert_close(&actual, &expected);
        }
    }

    #[test]
    fn experts_agree_with_the_reference() {
        use Scoring::{Sigmoid, Softmax};

        let mut random = Random(4);
        let variants = [
            (1, true, Softmax, false, None, None),
            (4, true, Softmax, false, Some(true), None),
            (4, false, Softmax, true, Some(false), None),
            (12, true, Sigmoid, true, None, None),
            (5, false, Sigmoid, false, Some(true), None),
            (4, true, Sigmoid, true, None, Some(ExpertGroups { count: 4, used: 2 })),
            (3, false, Softmax, false, None, Some(ExpertGroups { count: 3, used: 1 })),
        ];
        for (used, normalise, scoring, is_biased, gated_shared, groups) in variants {
            let shared_len = gated_shared.map(|_| 64);
            let is_gated = gated_shared == Some(true);
            let (count, feed_forward_len, weight_scale) = (12, 32, 1.5);
            let experts =
                ExpertConfig { count, used, feed_forward_len, scoring, normalise, weight_scale, shared_len, groups };
            let router = Router { experts, is_biased, is_gated };
            let mut logits: Vec<f32> =
                random.floats(3 * router.row_len() as usize).iter().map(|logit| 4.0 * logit).collect();
            // Among equal scores, the first expert wins.
            logits[5] = logits[2];
            // Hardly any likelihood, unless by softmax.
            logits[..12].iter_mut().for_each(|logit| *logit -= 40.0);
            let mut bias = random.floats(12);
            bias[5] = bias[2];
            let bias = is_biased.then_some(bias.as_slice());
            let (chosen, weights) = route(&logits, bias, &experts, is_gated);
            let (expected_chosen, expected) = reference::route(&logits, bias.unwrap_or_default(), &router);
            assert_eq!(chosen, expected_chosen);
            assert_close(&weights, &expected);
            let x = random.floats(3 * used as usize * 7);
            let shared = shared_len.map(|_| random.floats(3 * 7));
            let expected = reference::expert_sum(&x, shared.as_deref().unwrap_or_default(), &weights, &experts, 7);
            assert_close(&expert_sum(&x, shared.as_deref(), &weights, &experts, 7), &expected);
        }
    }
}

//! Layers of hybrid models other than plain attention: short convolutions, the gated delta rule, and gates.
//!
//! The functions take slices and do not depend on plans. `memory` is a layer's recurrent state: zeros before the first
//! token, and of the same size after any number of tokens.

use std::ops::Range;

use super::matrix::dot_floats;
use super::ops::{activate, multiply, rms_norm, sigmoid};
use crate::models::Activation;

/// Some columns of a projection's output.
pub(super) struct Columns<'x> {
    /// `[tokens][row_len]`
    pub(super) rows: &'x [f32],
    /// Elements per row.
    pub(super) row_len: usize,
    /// The columns.
    pub(super) range: Range<usize>,
}

impl<'x> Columns<'x> {
    /// The columns of each token in turn.
    fn tokens(&self) -> impl Iterator<Item = &'x [f32]> {
        self.rows.chunks_exact(self.row_len).map(|row| &row[self.range.clone()])
    }
}

/// A causal convolution over tokens, separate for each channel.
pub(super) struct Convolution<'w> {
    /// `[channels][taps]`; the last tap belongs to the token itself.
    pub(super) taps: &'w [f32],
    /// Number of channels.
    pub(super) channels: usize,
    /// Whether the input has gates, see [`convolve`].
    pub(super) gated: bool,
}

/// Convolves the rows of `input`: `[tokens][row_len]`. The result is `[tokens][channels]`.
///
/// With gates, as in LFM2, a row is `[b | c | x]` with `channels` elements each; `b * x` is convolved and the result is
/// multiplied by `c`. Without gates the first `channels` elements of a row are convolved, and `SiLU` is applied to the
/// result. `memory` holds the last inputs of the convolution, oldest first: `[taps - 1][channels]`.
pub(super) fn convolve(input: &[f32], row_len: usize, convolution: &Convolution<'_>, memory: &mut [f32]) -> Vec<f32> {
    let Convolution { taps, channels, gated } = *convolution;
    let tap_count = taps.len() / channels;
    // `[taps - 1 + tokens][channels]`
    let mut inputs = memory.to_vec();
    for row in input.chunks_exact(row_len) {
        if gated {
            let (b, x) = (&row[..channels], &row[2 * channels..3 * channels]);
            inputs.extend(b.iter().zip(x).map(|(b, x)| b * x));
        } else {
            inputs.extend_from_slice(&row[..channels]);
        }
    }
    let mut output = vec![0.0; inputs.len() - memory.len()];
    for (token, output) in output.chunks_exact_mut(channels).enumerate() {
        for tap in 0..tap_count {
            let inputs = &inputs[(token + tap) * channels..][..channels];
            for ((sum, input), taps) in output.iter_mut().zip(inputs).zip(taps.chunks_exact(tap_count)) {
                *sum += taps[tap] * input;
            }
        }
    }
    memory.copy_from_slice(&inputs[inputs.len() - memory.len()..]);
    if gated {
        for (output, row) in output.chunks_exact_mut(channels).zip(input.chunks_exact(row_len)) {
            multiply(output, &row[channels..2 * channels]);
        }
    } else {
        activate(&mut output, Activation::Silu);
    }
    output
}

/// A layer of the gated delta rule (Yang et al. 2024, "Gated Delta Networks").
pub(super) struct DeltaNet<'w> {
    /// Number of query heads, and of key heads. Value head `h` uses query and key head `h % key_heads`.
    pub(super) key_heads: usize,
    /// Number of value heads.
    pub(super) value_heads: usize,
    /// Elements of a head of queries, keys or values.
    pub(super) head_dim: usize,
    /// Factor of the log decay, negative: `[value_heads]`
    pub(super) decay: &'w [f32],
    /// Added to `alpha` before softplus: `[value_heads]`
    pub(super) dt_bias: &'w [f32],
    /// Lower bound of the norms that queries and keys are divided by.
    pub(super) eps: f32,
}

/// The gated delta rule for the rows of `qkv`, each `[query heads | key heads | value heads]`; `alpha` and `beta` have
/// `value_heads` columns. The result is `[tokens][value_heads][head_dim]`.
///
/// `memory` is `[value_heads][head_dim][head_dim]`: a matrix per head that maps keys to values. For each token the
/// matrix decays, is corrected so that the token's key maps closer to its value, and is applied to the token's query.
pub(super) fn delta_net(
    qkv: &[f32],
    alpha: &Columns<'_>,
    beta: &Columns<'_>,
    net: &DeltaNet<'_>,
    memory: &mut [f32],
) -> Vec<f32> {
    let DeltaNet { key_heads, value_heads, head_dim: dim, decay, dt_bias, eps } = *net;
    let key_len = key_heads * dim;
    let query_scale = (dim as f32).sqrt().recip();
    let tokens = qkv.chunks_exact(2 * key_len + value_heads * dim);
    let mut result = vec![0.0; tokens.len() * value_heads * dim];
    let mut outputs = result.chunks_exact_mut(dim);
    for ((row, alpha), beta) in tokens.zip(alpha.tokens()).zip(beta.tokens()) {
        let (queries_and_keys, values) = row.split_at(2 * key_len);
        let unit = unit_heads(queries_and_keys, dim, eps);
        let (queries, keys) = unit.split_at(key_len);
        let mut rates = beta.to_vec();
        sigmoid(&mut rates);
        let heads = values.chunks_exact(dim).zip(memory.chunks_exact_mut(dim * dim)).zip(&mut outputs);
        for (head, ((values, state), output)) in heads.enumerate() {
            let first = head % key_heads * dim;
            let (query, key) = (&queries[first..][..dim], &keys[first..][..dim]);
            let kept = (softplus(alpha[head] + dt_bias[head]) * decay[head]).exp();
            for ((state, value), output) in state.chunks_exact_mut(dim).zip(values).zip(output) {
                let delta = rates[head] * (value - kept * dot_floats(state, key));
                state.iter_mut().zip(key).for_each(|(state, key)| *state = kept * *state + delta * key);
                *output = query_scale * dot_floats(state, query);
            }
        }
    }
    result
}

/// Heads divided by their L2 norms, which are at least `eps`.
fn unit_heads(heads: &[f32], dim: usize, eps: f32) -> Vec<f32> {
    let mut unit = Vec::with_capacity(heads.len());
    for head in heads.chunks_exact(dim) {
        let scale = dot_floats(head, head).sqrt().max(eps).recip();
        unit.extend(head.iter().map(|value| scale * value));
    }
    unit
}

/// `ln(1 + exp(x))`, without overflow.
fn softplus(x: f32) -> f32 {
    if x > 20.0 { x } else { x.exp().ln_1p() }
}

/// RMS norm of each head (`[tokens][heads][weight.len()]`), times `SiLU` of its gate. `gate` has a column per element.
pub(super) fn gated_norm(x: &[f32], weight: &[f32], eps: f32, gate: &Columns<'_>) -> Vec<f32> {
    let mut normed = rms_norm(x, weight, eps);
    let mut gates: Vec<f32> = gate.tokens().flatten().copied().collect();
    activate(&mut gates, Activation::Silu);
    multiply(&mut normed, &gates);
    normed
}

/// Multiplies the output of attention, `[tokens][heads][head_dim]`, by the logistic function of its gates, in place.
///
/// The columns are `[heads][query | gate]`, with `head_dim` elements each.
pub(super) fn gate_attention(attended: &mut [f32], queries_and_gates: &Columns<'_>, head_dim: usize) {
    let heads = queries_and_gates.tokens().flat_map(|row| row.chunks_exact(2 * head_dim));
    let mut gates: Vec<f32> = heads.flat_map(|head| &head[head_dim..]).copied().collect();
    sigmoid(&mut gates);
    multiply(attended, &gates);
}

#[cfg(test)]
mod tests {
    use super::super::assert_close;
    use super::*;
    use crate::kernels::random::Random;

    fn double(x: f32) -> f64 {
        f64::from(x)
    }

    fn double_sigmoid(x: f32) -> f64 {
        1.0 / (1.0 + (-double(x)).exp())
    }

    /// The convolution by its definition, for all tokens after `memory`.
    fn plain_convolution(input: &[f32], row_len: usize, convolution: &Convolution<'_>, memory: &[f32]) -> Vec<f32> {
        let Convolution { taps, channels, gated } = *convolution;
        let len = taps.len() / channels;
        let convolved = |row: usize, channel: usize| match row.checked_sub(len - 1) {
            None => double(memory[row * channels + channel]),
            Some(token) if gated => {
                double(input[token * row_len + channel]) * double(input[token * row_len + 2 * channels + channel])
            }
            Some(token) => double(input[token * row_len + channel]),
        };
        let mut result = Vec::new();
        for token in 0..input.len() / row_len {
            for channel in 0..channels {
                let sum: f64 = (0..len).map(|j| double(taps[channel * len + j]) * convolved(token + j, channel)).sum();
                let gate = double(input[token * row_len + channels + channel]);
                let value = if gated { gate * sum } else { sum / (1.0 + (-sum).exp()) };
                result.push(value as f32);
            }
        }
        result
    }

    #[test]
    fn convolutions_agree_with_their_definition() {
        let (channels, tap_count, row_len) = (5, 3, 17);
        let mut random = Random(1);
        for gated in [true, false] {
            let taps = random.floats(channels * tap_count);
            let convolution = Convolution { taps: &taps, channels, gated };
            let input = random.floats(6 * row_len);
            let memory = random.floats((tap_count - 1) * channels);
            let expected = plain_convolution(&input, row_len, &convolution, &memory);
            // In one batch, and split after a single token, which is shorter than the memory.
            for split in [0, 1] {
                let mut memory = memory.clone();
                let (first, second) = input.split_at(split * row_len);
                let mut actual = convolve(first, row_len, &convolution, &mut memory);
                actual.extend(convolve(second, row_len, &convolution, &mut memory));
                assert_close(&actual, &expected);
            }
        }
    }

    /// The delta rule by its definition, with the arguments of [`delta_net`].
    fn plain_delta_net(
        qkv: &[f32],
        alpha: &Columns<'_>,
        beta: &Columns<'_>,
        net: &DeltaNet<'_>,
        memory: &mut [f64],
    ) -> Vec<f32> {
        let dim = net.head_dim;
        let row_len = (2 * net.key_heads + net.value_heads) * dim;
        let mut result = Vec::new();
        for token in 0..qkv.len() / row_len {
            let element = |head: usize, i: usize| double(qkv[token * row_len + head * dim + i]);
            let unit = |head: usize, i: usize| {
                let length = (0..dim).map(|i| element(head, i) * element(head, i)).sum::<f64>().sqrt();
                element(head, i) / length.max(double(net.eps))
            };
            for head in 0..net.value_heads {
                let key_head = head % net.key_heads;
                let query = |j: usize| unit(key_head, j) / (dim as f64).sqrt();
                let key = |j: usize| unit(net.key_heads + key_head, j);
                let value = |i: usize| element(2 * net.key_heads + head, i);
                let at = |columns: &Columns<'_>| columns.rows[token * columns.row_len + columns.range.start + head];
                let x = double(at(alpha)) + double(net.dt_bias[head]);
                let softplus = if x > 20.0 { x } else { (1.0 + x.exp()).ln() };
                let kept = (softplus * double(net.decay[head])).exp();
                for i in 0..dim {
                    let state = &mut memory[(head * dim + i) * dim..][..dim];
                    for state in state.iter_mut() {
                        *state *= kept;
                    }
                    let known: f64 = (0..dim).map(|j| state[j] * key(j)).sum();
                    let delta = (value(i) - known) * double_sigmoid(at(beta));
                    (0..dim).for_each(|j| state[j] += delta * key(j));
                    result.push((0..dim).map(|j| state[j] * query(j)).sum::<f64>() as f32);
                }
            }
        }
        result
    }

    #[test]
    fn the_delta_rule_agrees_with_its_definition() {
        let (key_heads, value_heads, dim, tokens, row_len) = (2, 4, 22, 6, 11);
        let mut random = Random(2);
        let decay: Vec<f32> = random.floats(value_heads).iter().map(|value| -value.abs()).collect();
        let dt_bias = random.floats(value_heads);
        let net = DeltaNet { key_heads, value_heads, head_dim: dim, decay: &decay, dt_bias: &dt_bias, eps: 1e-6 };
        let qkv_len = (2 * key_heads + value_heads) * dim;
        let mut qkv = random.floats(tokens * qkv_len);
        // A key of zeros has no direction.
        qkv[key_heads * dim..][..dim].fill(0.0);
        let mut projected = random.floats(tokens * row_len);
        // Beyond 20, where softplus is the identity.
        projected[3] = 25.0;
        let memory = random.floats(value_heads * dim * dim);
        let mut expected_memory: Vec<f64> = memory.iter().map(|value| double(*value)).collect();
        let columns = |tokens: Range<usize>, columns| {
            let rows = &projected[tokens.start * row_len..tokens.end * row_len];
            Columns { rows, row_len, range: columns }
        };
        let (alpha, beta) = (columns(0..tokens, 3..7), columns(0..tokens, 7..11));
        let expected = plain_delta_net(&qkv, &alpha, &beta, &net, &mut expected_memory);
        for split in [0, 2] {
            let mut memory = memory.clone();
            let mut actual = Vec::new();
            for part in [0..split, split..tokens] {
                let (alpha, beta) = (columns(part.clone(), 3..7), columns(part.clone(), 7..11));
                let qkv = &qkv[part.start * qkv_len..part.end * qkv_len];
                actual.extend(delta_net(qkv, &alpha, &beta, &net, &mut memory));
            }
            assert_close(&actual, &expected);
            assert_close(&memory, &expected_memory.iter().map(|value| *value as f32).collect::<Vec<_>>());
        }
    }

    #[test]
    fn gates_agree_with_their_definition() {
        let (heads, dim, tokens, row_len) = (3, 10, 2, 70);
        let mut random = Random(3);
        let (weight, projected) = (random.floats(dim), random.floats(tokens * row_len));
        let x = random.floats(tokens * heads * dim);
        let mut norms = Vec::new();
        let mut attended = Vec::new();
        for token in 0..tokens {
            for head in 0..heads {
                let values = &x[(token * heads + head) * dim..][..dim];
                let mean_square = values.iter().map(|value| double(*value) * double(*value)).sum::<f64>() / dim as f64;
                for (i, (value, weight)) in values.iter().zip(&weight).enumerate() {
                    let normed = double(*value) / (mean_square + 1e-6).sqrt() * double(*weight);
                    let z = projected[token * row_len + 5 + head * dim + i];
                    norms.push((normed * double(z) * double_sigmoid(z)) as f32);
                    let gate = projected[token * row_len + 2 * head * dim + dim + i];
                    attended.push((double(*value) * double_sigmoid(gate)) as f32);
                }
            }
        }
        let columns = |columns| Columns { rows: &projected, row_len, range: columns };
        assert_close(&gated_norm(&x, &weight, 1e-6, &columns(5..5 + heads * dim)), &norms);
        let mut gated = x;
        gate_attention(&mut gated, &columns(0..2 * heads * dim), dim);
        assert_close(&gated, &attended);
    }
}

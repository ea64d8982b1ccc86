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
    /// Added to the weighted sums: `[channels]`, or empty.
    pub(super) bias: &'w [f32],
    /// Number of channels.
    pub(super) channels: usize,
    /// Offset of the input in a row; 0 with gates.
    pub(super) input_at: usize,
    /// Whether the input has gates, see [`convolve`].
    pub(super) gated: bool,
}

/// Convolves the rows of `input`: `[tokens][row_len]`. The result is `[tokens][channels]`.
///
/// With gates, as in LFM2, a row is `[b | c | x]` with `channels` elements each; `b * x` is convolved and the result is
/// multiplied by `c`. Without gates the elements from `input_at` on are convolved, and `SiLU` is applied to the result. `memory` holds the last inputs of the convolution, oldest first: `[taps - 1][channels]`.
pub(super) fn convolve(input: &[f32], row_len: usize, convolution: &Convolution<'_>, memory: &mut [f32]) -> Vec<f32> {
    let Convolution { taps, bias, channels, input_at, gated } = *convolution;
    let tap_count = taps.len() / channels;
    // `[taps - 1 + tokens][channels]`
    let mut inputs = memory.to_vec();
    for row in input.chunks_exact(row_len) {
        if gated {
            let (b, x) = (&row[..channels], &row[2 * channels..3 * channels]);
            inputs.extend(b.iter().zip(x).map(|(b, x)| b * x));
        } else {
            inputs.extend_from_slice(&row[input_at..][..channels]);
        }
    }
    let mut output = vec![0.0; inputs.len() - memory.len()];
    for (token, output) in output.chunks_exact_mut(channels).enumerate() {
        output.iter_mut().zip(bias).for_each(|(sum, bias)| *sum = *bias);
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
    /// Number of query heads, and of key heads.
    pub(super) key_heads: usize,
    /// Number of value heads.
    pub(super) value_heads: usize,
    /// Neighbouring value heads share a query and a key; otherwise those `key_heads` apart.
    pub(super) grouped: bool,
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
    let DeltaNet { key_heads, value_heads, grouped, head_dim: dim, decay, dt_bias, eps } = *net;
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
            let key_head = if grouped { head * key_heads / value_heads } else { head % key_heads };
            let first = key_head * dim;
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

/// A state space of Mamba-2 (Dao and Gu 2024, "Transformers are SSMs").
pub(super) struct StateSpace<'w> {
    /// Number of heads.
    pub(super) heads: usize,
    /// Elements per head.
    pub(super) head_dim: usize,
    /// Number of B and C per token. Head `h` uses number `h / (heads / groups)`.
    pub(super) groups: usize,
    /// Added to the step sizes: `[heads]`
    pub(super) step_bias: &'w [f32],
    /// Factor of the decay's exponents, negative: `[heads]`
    pub(super) decay: &'w [f32],
    /// Factor of the input in the output: `[heads]`
    pub(super) skip: &'w [f32],
}

/// The recurrence for the rows of `inputs`, each `[heads | B | C]`; `steps` has a column per head. The result is
/// `[tokens][heads][head_dim]`.
///
/// `memory` is `[heads][head_dim][state_len]`: for each token it decays, grows by the product of the head's input, the
/// step size and B, and is applied to C.
pub(super) fn state_space(inputs: &[f32], steps: &Columns<'_>, space: &StateSpace<'_>, memory: &mut [f32]) -> Vec<f32> {
    let StateSpace { heads, head_dim: dim, groups, step_bias, decay, skip } = *space;
    let len = memory.len() / (heads * dim);
    let tokens = inputs.chunks_exact(heads * dim + 2 * groups * len);
    let mut result = Vec::with_capacity(tokens.len() * heads * dim);
    for (row, steps) in tokens.zip(steps.tokens()) {
        let (values, rest) = row.split_at(heads * dim);
        let (all_b, all_c) = rest.split_at(groups * len);
        for (head, (values, state)) in values.chunks_exact(dim).zip(memory.chunks_exact_mut(dim * len)).enumerate() {
            let group = head / (heads / groups) * len;
            let (b, c) = (&all_b[group..][..len], &all_c[group..][..len]);
            let step = softplus(steps[head] + step_bias[head]);
            let kept = (step * decay[head]).exp();
            for (state, value) in state.chunks_exact_mut(len).zip(values) {
                let grown = step * value;
                state.iter_mut().zip(b).for_each(|(state, b)| *state = kept * *state + grown * b);
                result.push(dot_floats(state, c) + skip[head] * value);
            }
        }
    }
    result
}

/// `x * silu(z)`, where z has a column per element of `x`. With a `weight`, `[groups][group_len]`, each group is
/// RMS-normalised then.
pub(super) fn gated_then_normed(
    mut x: Vec<f32>,
    weight: Option<&[f32]>,
    groups: usize,
    eps: f32,
    gate: &Columns<'_>,
) -> Vec<f32> {
    let mut gates: Vec<f32> = gate.tokens().flatten().copied().collect();
    activate(&mut gates, Activation::Silu);
    multiply(&mut x, &gates);
    let Some(weight) = weight else { return x };
    let len = weight.len() / groups;
    let parts = x.chunks_exact(len).zip(weight.chunks_exact(len).cycle());
    parts.flat_map(|(part, weight)| rms_norm(part, weight, eps)).collect()
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
        let Convolution { taps, bias, channels, input_at, gated } = *convolution;
        let len = taps.len() / channels;
        let convolved = |row: usize, channel: usize| match row.checked_sub(len - 1) {
            None => double(memory[row * channels + channel]),
            Some(token) if gated => {
                double(input[token * row_len + channel]) * double(input[token * row_len + 2 * channels + channel])
            }
            Some(token) => double(input[token * row_len + input_at + channel]),
        };
        let mut result = Vec::new();
        for token in 0..input.len() / row_len {
            for channel in 0..channels {
                let weighted = |j: usize| double(taps[channel * len + j]) * convolved(token + j, channel);
                let sum = (0..len).map(weighted).sum::<f64>() + bias.get(channel).map_or(0.0, |bias| double(*bias));
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
            let bias = if gated { Vec::new() } else { random.floats(channels) };
            let input_at = if gated { 0 } else { 2 };
            let convolution = Convolution { taps: &taps, bias: &bias, channels, input_at, gated };
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
                let shared = net.value_heads / net.key_heads;
                let key_head = if net.grouped { head / shared } else { head % net.key_heads };
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
        let grouped = false;
        let net =
            DeltaNet { key_heads, value_heads, grouped, head_dim: dim, decay: &decay, dt_bias: &dt_bias, eps: 1e-6 };
        let qkv_len = (2 * key_heads + value_heads) * dim;
        let mut qkv = random.floats(tokens * qkv_len);
        // A key of zeros has no direction.
        qkv[key_heads * dim..][..dim].fill(0.0);
        let mut projected = random.floats(tokens * row_len);
        // Beyond 20, where softplus is the identity.
        projected[3] = 25.0;
        let memory = random.floats(value_heads * dim * dim);
        let columns = |tokens: Range<usize>, columns| {
            let rows = &projected[tokens.start * row_len..tokens.end * row_len];
            Columns { rows, row_len, range: columns }
        };
        let (alpha, beta) = (columns(0..tokens, 3..7), columns(0..tokens, 7..11));
        for (split, grouped) in [(0, false), (2, false), (2, true)] {
            let net = DeltaNet { grouped, ..net };
            let mut expected_memory: Vec<f64> = memory.iter().map(|value| double(*value)).collect();
            let expected = plain_delta_net(&qkv, &alpha, &beta, &net, &mut expected_memory);
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
    fn state_spaces_agree_with_their_definition() {
        let (heads, dim, groups, len, tokens, row_len) = (4, 5, 2, 7, 6, 9);
        let mut random = Random(5);
        let decay: Vec<f32> = random.floats(heads).iter().map(|value| -value.abs()).collect();
        let (step_bias, skip) = (random.floats(heads), random.floats(heads));
        let space = StateSpace { heads, head_dim: dim, groups, step_bias: &step_bias, decay: &decay, skip: &skip };
        let input_len = heads * dim + 2 * groups * len;
        let (inputs, rows) = (random.floats(tokens * input_len), random.floats(tokens * row_len));
        let memory = random.floats(heads * dim * len);
        let mut states: Vec<f64> = memory.iter().map(|value| double(*value)).collect();
        let mut expected = Vec::new();
        for token in 0..tokens {
            let input = |i: usize| double(inputs[token * input_len + i]);
            for head in 0..heads {
                let step = (1.0 + (double(rows[token * row_len + 3 + head]) + double(step_bias[head])).exp()).ln();
                let kept = (step * double(decay[head])).exp();
                let b_at = heads * dim + head / 2 * len;
                for i in head * dim..(head + 1) * dim {
                    let mut found = double(skip[head]) * input(i);
                    for n in 0..len {
                        let state = &mut states[i * len + n];
                        *state = kept * *state + step * input(i) * input(b_at + n);
                        found += *state * input(b_at + groups * len + n);
                    }
                    expected.push(found as f32);
                }
            }
        }
        for split in [0, 2] {
            let mut memory = memory.clone();
            let mut actual = Vec::new();
            for part in [0..split, split..tokens] {
                let rows = &rows[part.start * row_len..part.end * row_len];
                let steps = Columns { rows, row_len, range: 3..7 };
                let inputs = &inputs[part.start * input_len..part.end * input_len];
                actual.extend(state_space(inputs, &steps, &space, &mut memory));
            }
            assert_close(&actual, &expected);
            assert_close(&memory, &states.iter().map(|value| *value as f32).collect::<Vec<_>>());
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

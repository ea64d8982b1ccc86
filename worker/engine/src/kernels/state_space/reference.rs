//! Reference of `state_space.wgsl`.

use super::StateSpace;

/// The inputs of the recurrence.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The heads' inputs, B and C: `[tokens][heads * head_dim + 2 * groups * state_len]`
    pub inputs: &'a [f32],
    /// Projection that contains the step sizes, and the gates if there are any: `[tokens][row_len]`
    pub rows: &'a [f32],
    /// Added to the step sizes: `[heads]`
    pub step_bias: &'a [f32],
    /// Factor of the decay's exponents, negative: `[heads]`
    pub decay: &'a [f32],
    /// Factor of the input in the output: `[heads]`
    pub skip: &'a [f32],
}

/// The recurrence, which updates `memory`: `[heads][head_dim][state_len]`. The result is `[tokens][heads][head_dim]`.
pub fn state_space(inputs: Inputs<'_>, memory: &mut [f32], space: &StateSpace) -> Vec<f32> {
    let [heads, dim, groups, len] =
        [space.heads, space.head_dim, space.groups, space.state_len].map(|number| number as usize);
    let mut states: Vec<f64> = memory.iter().map(|value| f64::from(*value)).collect();
    let mut result = Vec::new();
    let tokens = inputs.inputs.chunks_exact(heads * dim + 2 * groups * len);
    for (token, row) in tokens.zip(inputs.rows.chunks_exact(space.row_len as usize)) {
        for (head, state) in states.chunks_exact_mut(dim * len).enumerate() {
            let b_at = heads * dim + head / (heads / groups) * len;
            let (b, c) = (&token[b_at..][..len], &token[b_at + groups * len..][..len]);
            let exponent = f64::from(row[space.steps_at as usize + head]) + f64::from(inputs.step_bias[head]);
            let step = exponent.exp().ln_1p();
            let kept = (step * f64::from(inputs.decay[head])).exp();
            for (i, state) in state.chunks_exact_mut(len).enumerate() {
                let x = f64::from(token[head * dim + i]);
                for (element, b) in state.iter_mut().zip(b) {
                    *element = kept * *element + step * x * f64::from(*b);
                }
                let found: f64 = state.iter().zip(c).map(|(element, c)| element * f64::from(*c)).sum();
                let mut output = found + f64::from(inputs.skip[head]) * x;
                if space.gated {
                    let gate = f64::from(row[head * dim + i]);
                    output *= gate / (1.0 + (-gate).exp());
                }
                result.push(output as f32);
            }
        }
    }
    memory.iter_mut().zip(&states).for_each(|(value, state)| *value = *state as f32);
    result
}

//! Reference of `delta_net.wgsl`.

use super::DeltaNet;

/// The inputs of the gated delta rule.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// Queries, keys and values: `[tokens][2 key_heads + value_heads][head_dim]`
    pub qkv: &'a [f32],
    /// Projection that contains alpha and beta: `[tokens][gates_row_len]`
    pub gates: &'a [f32],
    /// Added to alpha: `[value_heads]`
    pub dt_bias: &'a [f32],
    /// Factor of the decay's exponents, negative: `[value_heads]`
    pub decay: &'a [f32],
}

/// The gated delta rule, which updates `memory`: `[value_heads][head_dim values][head_dim keys]`. The result is
/// `[tokens][value_heads][head_dim]`.
pub fn delta_net(inputs: Inputs<'_>, memory: &mut [f32], net: &DeltaNet) -> Vec<f32> {
    let (key_heads, heads, dim) = (net.key_heads as usize, net.value_heads as usize, net.head_dim as usize);
    let mut states: Vec<f64> = memory.iter().map(|value| f64::from(*value)).collect();
    let mut result = Vec::new();
    let tokens = inputs.qkv.chunks_exact((2 * key_heads + heads) * dim);
    for (row, gates) in tokens.zip(inputs.gates.chunks_exact(net.gates_row_len as usize)) {
        let vector = |head: usize| -> Vec<f64> { row[head * dim..][..dim].iter().map(|x| f64::from(*x)).collect() };
        let unit = |head: usize| -> Vec<f64> {
            let vector = vector(head);
            let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt().max(f64::from(net.eps));
            vector.iter().map(|x| x / length).collect()
        };
        for (head, state) in states.chunks_exact_mut(dim * dim).enumerate() {
            let key_head = if net.grouped { head / (heads / key_heads) } else { head % key_heads };
            let (query, key) = (unit(key_head), unit(key_heads + key_head));
            let value = vector(2 * key_heads + head);
            let exponent = f64::from(gates[net.alpha_at as usize + head]) + f64::from(inputs.dt_bias[head]);
            let kept = (exponent.exp().ln_1p() * f64::from(inputs.decay[head])).exp();
            let rate = 1.0 / (1.0 + (-f64::from(gates[net.beta_at as usize + head])).exp());
            for (row, value) in state.chunks_exact_mut(dim).zip(value) {
                for element in row.iter_mut() {
                    *element *= kept;
                }
                let known: f64 = row.iter().zip(&key).map(|(element, key)| element * key).sum();
                let change = rate * (value - known);
                row.iter_mut().zip(&key).for_each(|(element, key)| *element += change * key);
                let found: f64 = row.iter().zip(&query).map(|(element, query)| element * query).sum();
                result.push((found / (dim as f64).sqrt()) as f32);
            }
        }
    }
    memory.iter_mut().zip(&states).for_each(|(value, state)| *value = *state as f32);
    result
}

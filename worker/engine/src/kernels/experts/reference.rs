//! References of `route.wgsl` and `expert_sum.wgsl`.

use crate::models::ExpertConfig;

/// The experts of each token, highest score first, and their weights, both `[tokens][used]`. `logits` is
/// `[tokens][count]`.
pub fn route(logits: &[f32], config: &ExpertConfig) -> (Vec<u32>, Vec<f32>) {
    let mut chosen = Vec::new();
    let mut weights = Vec::new();
    for scores in logits.chunks_exact(config.count as usize) {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
        let exp = |expert: &usize| f64::from(scores[*expert] - scores[order[0]]).exp();
        let (used, summed) = (config.used as usize, if config.normalise { config.used as usize } else { order.len() });
        let total: f64 = order[..summed].iter().map(exp).sum();
        chosen.extend(order[..used].iter().map(|expert| *expert as u32));
        weights.extend(order[..used].iter().map(|expert| (exp(expert) / total) as f32));
    }
    (chosen, weights)
}

/// The weighted sum over each token's experts. `x` is `[tokens][used][len]`, the result is `[tokens][len]`.
pub fn expert_sum(x: &[f32], weights: &[f32], config: &ExpertConfig, len: usize) -> Vec<f32> {
    let used = config.used as usize;
    x.chunks_exact(used * len)
        .zip(weights.chunks_exact(used))
        .flat_map(|(rows, weights)| {
            (0..len).map(move |i| weights.iter().enumerate().map(|(slot, weight)| weight * rows[slot * len + i]).sum())
        })
        .collect()
}

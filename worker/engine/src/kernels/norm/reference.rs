//! Reference of `gated_norm.wgsl`. RMS norm and layer norm are in `linear/reference.rs`.

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

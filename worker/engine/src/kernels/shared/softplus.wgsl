// ln(1 + exp(x))
fn softplus(x: f32) -> f32 {
    let e = exp(-abs(x));
    // WGSL guarantees little precision for logarithms near 1.
    let series = e * (1.0 - e * (0.5 - e * (1.0 / 3.0 - e * 0.25)));
    return max(x, 0.0) + select(log(1.0 + e), series, e < 0.0625);
}

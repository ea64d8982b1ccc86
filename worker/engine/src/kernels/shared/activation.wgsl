// Activation function of a feed-forward part: SiLU, GELU with GELU_TANH or GELU_ERF, a steeper SiLU with QUICK_GELU, or
// with CLAMPED_SWIGLU the same for inputs bounded by GATE_LIMIT (gpt-oss).
#ifdef CLAMPED_SWIGLU
const GATE_LIMIT: f32 = 7.0;
#endif

fn activation(x: f32) -> f32 {
#ifdef GELU_TANH
    // Hendrycks and Gimpel 2016. Beyond 10 tanh is 1, and some implementations overflow.
    let t = tanh(clamp(0.7978845608 * (x + 0.044715 * x * x * x), -10.0, 10.0));
    return 0.5 * x * (1.0 + t);
#else
#ifdef GELU_ERF
    // Abramowitz and Stegun 1964, 7.1.26: error of at most 1.5e-7.
    let z = abs(x) * 0.7071067812;
    let t = 1.0 / (1.0 + 0.3275911 * z);
    let series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    let erf = sign(x) * (1.0 - series * exp(-z * z));
    return 0.5 * x * (1.0 + erf);
#else
#ifdef CLAMPED_SWIGLU
    let z = min(x, GATE_LIMIT);
    return z / (1.0 + exp(-1.702 * z));
#else
#ifdef QUICK_GELU
    return x / (1.0 + exp(-1.702 * x));
#else
    return x / (1.0 + exp(-x));
#endif
#endif
#endif
#endif
}

// An up projection with its gate.
fn gated(gate: f32, up: f32) -> f32 {
#ifdef CLAMPED_SWIGLU
    return activation(gate) * (clamp(up, -GATE_LIMIT, GATE_LIMIT) + 1.0);
#else
    return activation(gate) * up;
#endif
}

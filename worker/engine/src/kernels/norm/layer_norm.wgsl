// Layer norm (Ba et al. 2016): y[t] = (x[t] - mean) / sqrt(variance + EPS) * weight + bias. With RMS the mean counts as
// zero, without BIAS there is none, with RESIDUAL x[t] is the sum with another vector, and with IN_PLACE y is x. With
// HALVES the result is converted as by `halve.wgsl`.
// Grid: one workgroup per token. Constants: LEN, EPS, WORKGROUP.
#include "shared/state.wgsl"
#include "shared/workgroup_sum.wgsl"
#ifdef HALVES
#include "shared/to_half.wgsl"
#endif

@group(0) @binding(0) var<uniform> state: State;
#ifdef IN_PLACE
// Hidden state: [tokens][LEN]
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
#else
// Hidden state: [tokens][LEN]
@group(0) @binding(1) var<storage, read> x: array<f32>;
#ifdef HALVES
// Result: [tokens][LEN]
@group(0) @binding(4) var<storage, read_write> y: array<f16>;
#else
// Result: [tokens][LEN]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
#endif
#endif
#ifdef RESIDUAL
// Added to x: [tokens][LEN]
@group(0) @binding(5) var<storage, read> residual: array<f32>;
#endif
// Weight: [LEN]
@group(0) @binding(2) var<storage, read> norm_weight: array<f32>;
#ifdef BIAS
// Bias: [LEN]
@group(0) @binding(3) var<storage, read> norm_bias: array<f32>;
#endif

fn input(at: u32) -> f32 {
#ifdef RESIDUAL
    return x[at] + residual[at];
#else
    return x[at];
#endif
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let base = group.x * LEN;
    if (group.x >= state.token_count) {
        return;
    }
#ifdef RMS
    let mean = 0.0;
#else
    var sum = 0.0;
    for (var i = thread; i < LEN; i += WORKGROUP) {
        sum += input(base + i);
    }
    let mean = workgroup_sum(sum, thread) / f32(LEN);
#endif
    var squares = 0.0;
    for (var i = thread; i < LEN; i += WORKGROUP) {
        let centred = input(base + i) - mean;
        squares += centred * centred;
    }
    let scale = inverseSqrt(workgroup_sum(squares, thread) / f32(LEN) + EPS);
    for (var i = thread; i < LEN; i += WORKGROUP) {
        var value = (input(base + i) - mean) * scale * norm_weight[i];
#ifdef BIAS
        value += norm_bias[i];
#endif
#ifdef IN_PLACE
        x[base + i] = value;
#else
#ifdef HALVES
        y[base + i] = to_half(vec4<f32>(value)).x;
#else
        y[base + i] = value;
#endif
#endif
    }
}

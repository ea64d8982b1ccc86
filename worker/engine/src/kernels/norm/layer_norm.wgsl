// Layer norm in place (Ba et al. 2016): x[t] = (x[t] - mean) / sqrt(variance + EPS) * weight + bias.
// Grid: one workgroup per token. Constants: LEN, EPS, WORKGROUP.
#include "shared/state.wgsl"
#include "shared/workgroup_sum.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Hidden state: [tokens][LEN]
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
// Weight: [LEN]
@group(0) @binding(2) var<storage, read> norm_weight: array<f32>;
// Bias: [LEN]
@group(0) @binding(3) var<storage, read> norm_bias: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let base = group.x * LEN;
    if (group.x >= state.token_count) {
        return;
    }
    var sum = 0.0;
    for (var i = thread; i < LEN; i += WORKGROUP) {
        sum += x[base + i];
    }
    let mean = workgroup_sum(sum, thread) / f32(LEN);
    var squares = 0.0;
    for (var i = thread; i < LEN; i += WORKGROUP) {
        let centred = x[base + i] - mean;
        squares += centred * centred;
    }
    let scale = inverseSqrt(workgroup_sum(squares, thread) / f32(LEN) + EPS);
    for (var i = thread; i < LEN; i += WORKGROUP) {
        x[base + i] = (x[base + i] - mean) * scale * norm_weight[i] + norm_bias[i];
    }
}

// Adds a normalised vector to the hidden state: y[t] += SCALE * norm(x[t]).
// Grid: one workgroup per token. Constants: LEN, EPS, SCALE, WORKGROUP.
#include "shared/state.wgsl"
#include "shared/workgroup_sum.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Input: [tokens][LEN]
@group(0) @binding(1) var<storage, read> x: array<f32>;
// Weight of the RMS norm: [LEN]
@group(0) @binding(2) var<storage, read> norm_weight: array<f32>;
// Hidden state: [tokens][LEN]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let base = group.x * LEN;
    if (group.x >= state.token_count) {
        return;
    }
    var sum = 0.0;
    for (var i = thread; i < LEN; i += WORKGROUP) {
        sum += x[base + i] * x[base + i];
    }
    let scale = SCALE * inverseSqrt(workgroup_sum(sum, thread) / f32(LEN) + EPS);
    for (var i = thread; i < LEN; i += WORKGROUP) {
        y[base + i] += scale * x[base + i] * norm_weight[i];
    }
}

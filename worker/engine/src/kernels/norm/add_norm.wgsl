// Adds normalised vectors to others: y[t][i] += SCALE * norm(x[t][i]); with SCALED_SUM the sum is then multiplied by a
// factor.
// Grid: x: COUNT, y: tokens. Constants: LEN, COUNT (vectors per token), EPS, SCALE, WORKGROUP.
#include "shared/state.wgsl"
#include "shared/workgroup_sum.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Input: [tokens][COUNT][LEN]
@group(0) @binding(1) var<storage, read> x: array<f32>;
// Weight of the RMS norm: [LEN]
@group(0) @binding(2) var<storage, read> norm_weight: array<f32>;
// What is added to: [tokens][COUNT][LEN]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
#ifdef SCALED_SUM
// Factor of the sum: [1]
@group(0) @binding(4) var<storage, read> sum_scale: array<f32>;
#endif

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    if (group.y >= state.token_count) {
        return;
    }
    let base = (group.y * COUNT + group.x) * LEN;
    var sum = 0.0;
    for (var i = thread; i < LEN; i += WORKGROUP) {
        sum += x[base + i] * x[base + i];
    }
    let scale = SCALE * inverseSqrt(workgroup_sum(sum, thread) / f32(LEN) + EPS);
    for (var i = thread; i < LEN; i += WORKGROUP) {
        let total = y[base + i] + scale * x[base + i] * norm_weight[i];
#ifdef SCALED_SUM
        y[base + i] = total * sum_scale[0];
#else
        y[base + i] = total;
#endif
    }
}

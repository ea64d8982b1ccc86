// Converts the input of `cooperative.wgsl` to f16, after an RMS norm with NORM.
// Grid: x: INPUTS, y: tokens. Constants: LEN, INPUTS (inputs per token), EPS, WORKGROUP.
#include "shared/state.wgsl"
#include "shared/to_half.wgsl"
#include "shared/workgroup_sum.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Input: [tokens][INPUTS][LEN / 4]
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
#ifdef NORM
// Weight of the RMS norm: [LEN / 4]
@group(0) @binding(2) var<storage, read> norm_weight: array<vec4<f32>>;
#endif
// Output: [tokens][INPUTS][LEN / 4]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f16>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    if (group.y >= state.token_count) {
        return;
    }
    let base = (group.y * INPUTS + group.x) * (LEN / 4u);
#ifdef NORM
    var sum = 0.0;
    for (var i = thread; i < LEN / 4u; i += WORKGROUP) {
        sum += dot(x[base + i], x[base + i]);
    }
    let scale = inverseSqrt(workgroup_sum(sum, thread) / f32(LEN) + EPS);
#endif
    for (var i = thread; i < LEN / 4u; i += WORKGROUP) {
        var value = x[base + i];
#ifdef NORM
        value *= scale * norm_weight[i];
#endif
        y[base + i] = to_half(value);
    }
}

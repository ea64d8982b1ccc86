// Adds part of a row to another: y[t][i] += x[t][AT + i], with SCALED times a factor of each element.
// Grid: one workgroup per token. Constants: LEN, STRIDE (elements of a row of x), AT, WORKGROUP.
#include "shared/state.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// What is added: [tokens][STRIDE]
@group(0) @binding(1) var<storage, read> x: array<f32>;
// What it is added to: [tokens][LEN]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
#ifdef SCALED
// Factors: [LEN]
@group(0) @binding(3) var<storage, read> scale: array<f32>;
#endif

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    if (group.x >= state.token_count) {
        return;
    }
    for (var i = thread; i < LEN; i += WORKGROUP) {
        var value = x[group.x * STRIDE + AT + i];
#ifdef SCALED
        value *= scale[i];
#endif
        y[group.x * LEN + i] += value;
    }
}

// Keeps elements within bounds: y[t][AT + i] = clamp(x[t][AT + i], low, high); with IN_PLACE x is y.
// Grid: one workgroup per token. Constants: LEN, STRIDE (elements of a row), AT, FIRST (the first of two bounds),
// WORKGROUP.
#include "shared/state.wgsl"

@group(0) @binding(0) var<uniform> state: State;
#ifdef IN_PLACE
#else
// Input: [tokens][STRIDE]
@group(0) @binding(1) var<storage, read> x: array<f32>;
#endif
// Output: [tokens][STRIDE]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
// Lowest and highest input, lowest and highest output
@group(0) @binding(3) var<storage, read> bounds: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    if (group.x >= state.token_count) {
        return;
    }
    for (var i = thread; i < LEN; i += WORKGROUP) {
        let at = group.x * STRIDE + AT + i;
#ifdef IN_PLACE
        let value = y[at];
#else
        let value = x[at];
#endif
        y[at] = clamp(value, bounds[FIRST], bounds[FIRST + 1u]);
    }
}

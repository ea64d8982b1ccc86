// Averages each COUNT consecutive rows: y[t][i] is the mean of x[t * COUNT + r][i].
// Grid: one workgroup per averaged row, which are the state's tokens. Constants: LEN, COUNT, WORKGROUP.
#include "shared/state.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Input: [tokens][COUNT][LEN]
@group(0) @binding(1) var<storage, read> x: array<f32>;
// Output: [tokens][LEN]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    if (group.x >= state.token_count) {
        return;
    }
    for (var i = thread; i < LEN; i += WORKGROUP) {
        var sum = 0.0;
        for (var row = group.x * COUNT; row < (group.x + 1u) * COUNT; row++) {
            sum += x[row * LEN + i];
        }
        y[group.x * LEN + i] = sum / f32(COUNT);
    }
}

// Gives the other vectors of the hidden state the length of the first: y[t][i] *= |x[t]| / |y[t][i]|.
// Grid: x: COUNT - 1, y: tokens. Constants: COUNT (vectors of the hidden state), LEN, WORKGROUP.
#include "shared/state.wgsl"
#include "shared/workgroup_sum.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// First vector: [tokens][LEN]
@group(0) @binding(1) var<storage, read> x: array<f32>;
// The others: [tokens][COUNT - 1][LEN]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let token = group.y;
    if (token >= state.token_count) {
        return;
    }
    let base = (token * (COUNT - 1u) + group.x) * LEN;
    var first = 0.0;
    var own = 0.0;
    for (var i = thread; i < LEN; i += WORKGROUP) {
        first += x[token * LEN + i] * x[token * LEN + i];
        own += y[base + i] * y[base + i];
    }
    let wanted = workgroup_sum(first, thread);
    let scale = sqrt(wanted / workgroup_sum(own, thread));
    for (var i = thread; i < LEN; i += WORKGROUP) {
        y[base + i] *= scale;
    }
}

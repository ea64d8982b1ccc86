// The mean of all vectors of the hidden state, after the others are scaled to the length of the first:
// y[t] = (y[t] + sum over i of x[t][i] * |y[t]| / |x[t][i]|) / COUNT.
// Grid: one workgroup per token. Constants: COUNT (vectors of the hidden state), LEN, WORKGROUP.
#include "shared/state.wgsl"
#include "shared/workgroup_sum.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// The others, projected: [tokens][COUNT - 1][LEN]
@group(0) @binding(1) var<storage, read> x: array<f32>;
// First vector, then the mean: [tokens][LEN]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let token = group.x;
    if (token >= state.token_count) {
        return;
    }
    var first = 0.0;
    for (var i = thread; i < LEN; i += WORKGROUP) {
        first += y[token * LEN + i] * y[token * LEN + i];
    }
    let wanted = workgroup_sum(first, thread);
    for (var other = 0u; other < COUNT - 1u; other++) {
        let base = (token * (COUNT - 1u) + other) * LEN;
        var own = 0.0;
        for (var i = thread; i < LEN; i += WORKGROUP) {
            own += x[base + i] * x[base + i];
        }
        let scale = sqrt(wanted / workgroup_sum(own, thread));
        for (var i = thread; i < LEN; i += WORKGROUP) {
            y[token * LEN + i] += scale * x[base + i];
        }
    }
    for (var i = thread; i < LEN; i += WORKGROUP) {
        y[token * LEN + i] /= f32(COUNT);
    }
}

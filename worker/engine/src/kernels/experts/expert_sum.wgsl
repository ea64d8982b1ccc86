// Adds the weighted sum of a token's expert outputs to the hidden state: y[t] += SCALE * sum over i of weights[t][i] *
// x[t][i].
// Grid: x: ceil(LEN / WORKGROUP), y: tokens. Constants: LEN, USED, SCALE, WORKGROUP.
#include "shared/state.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Outputs of the experts: [tokens][USED][LEN]
@group(0) @binding(1) var<storage, read> x: array<f32>;
// Weights of the experts: [tokens][USED]
@group(0) @binding(2) var<storage, read> weights: array<f32>;
// Hidden state: [tokens][LEN]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let i = group.x * WORKGROUP + thread;
    let token = group.y;
    if (token >= state.token_count || i >= LEN) {
        return;
    }
    var sum = 0.0;
    for (var slot = token * USED; slot < (token + 1u) * USED; slot++) {
        sum += weights[slot] * x[slot * LEN + i];
    }
    y[token * LEN + i] += SCALE * sum;
}

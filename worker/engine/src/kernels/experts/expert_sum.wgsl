// Adds the weighted sum of the outputs of a token's experts to the hidden state: y[t] += SCALE * sum over i of
// weights[t][i] * x[t][i]. With SHARED the last weight is that of the expert that all tokens share. With REPLACE the sum
// replaces what was there.
// Grid: x: ceil(LEN / WORKGROUP), y: tokens. Constants: LEN, USED, OUTPUTS (USED, or with SHARED one more), SCALE,
// WORKGROUP.
#include "shared/state.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Outputs of the chosen experts: [tokens][USED][LEN]
@group(0) @binding(1) var<storage, read> x: array<f32>;
// Weights of the outputs: [tokens][OUTPUTS]
@group(0) @binding(2) var<storage, read> weights: array<f32>;
// Hidden state, or sums: [tokens][LEN]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
#ifdef SHARED
// Outputs of the shared expert: [tokens][LEN]
@group(0) @binding(4) var<storage, read> shared_x: array<f32>;
#endif

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let i = group.x * WORKGROUP + thread;
    let token = group.y;
    if (token >= state.token_count || i >= LEN) {
        return;
    }
    var sum = 0.0;
    for (var slot = 0u; slot < USED; slot++) {
        sum += weights[token * OUTPUTS + slot] * x[(token * USED + slot) * LEN + i];
    }
#ifdef SHARED
    sum += weights[token * OUTPUTS + USED] * shared_x[token * LEN + i];
#endif
#ifdef REPLACE
    y[token * LEN + i] = SCALE * sum;
#else
    y[token * LEN + i] += SCALE * sum;
#endif
}

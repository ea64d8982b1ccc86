// RMS norm of each head, times SiLU of its gate, in place. With GATE_FIRST what is normalised is the product with the
// gate, and each head has its own weight.
// Grid: x: HEADS, y: tokens. Constants: HEADS, HEAD_DIM, GATE_ROW_LEN, GATE_AT, EPS, WORKGROUP.
#include "shared/state.wgsl"
#include "shared/workgroup_sum.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Projection, with the gates from GATE_AT on: [tokens][GATE_ROW_LEN]
@group(0) @binding(1) var<storage, read> gate: array<f32>;
// Weight: [HEAD_DIM], with GATE_FIRST [HEADS][HEAD_DIM]
@group(0) @binding(2) var<storage, read> weight: array<f32>;
// Input and output: [tokens][HEADS][HEAD_DIM]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn gate_of(token: u32, head: u32, i: u32) -> f32 {
    let z = gate[token * GATE_ROW_LEN + GATE_AT + head * HEAD_DIM + i];
    return z / (1.0 + exp(-z));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let head = group.x;
    let token = group.y;
    if (token >= state.token_count) {
        return;
    }
    let base = (token * HEADS + head) * HEAD_DIM;
    var sum = 0.0;
    for (var i = thread; i < HEAD_DIM; i += WORKGROUP) {
#ifdef GATE_FIRST
        y[base + i] *= gate_of(token, head, i);
#endif
        sum += y[base + i] * y[base + i];
    }
    let scale = inverseSqrt(workgroup_sum(sum, thread) / f32(HEAD_DIM) + EPS);
    for (var i = thread; i < HEAD_DIM; i += WORKGROUP) {
#ifdef GATE_FIRST
        y[base + i] *= scale * weight[head * HEAD_DIM + i];
#else
        y[base + i] *= scale * weight[i] * gate_of(token, head, i);
#endif
    }
}

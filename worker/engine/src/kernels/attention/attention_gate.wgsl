// Multiplies the output of attention by the logistic function of its gates, in place.
// Grid: x: ceil(HEADS * HEAD_DIM / WORKGROUP), y: tokens. Constants: HEADS, HEAD_DIM, ROW_LEN, WORKGROUP.
#include "shared/state.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Projection, which begins with query and gate of each head: [tokens][ROW_LEN], starting with [HEADS][2][HEAD_DIM]
@group(0) @binding(1) var<storage, read> rows: array<f32>;
// Output of attention: [tokens][HEADS][HEAD_DIM]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let element = id.x;
    let token = id.y;
    if (element >= HEADS * HEAD_DIM || token >= state.token_count) {
        return;
    }
    let gate_at = (element / HEAD_DIM * 2u + 1u) * HEAD_DIM + element % HEAD_DIM;
    y[token * HEADS * HEAD_DIM + element] /= 1.0 + exp(-rows[token * ROW_LEN + gate_at]);
}

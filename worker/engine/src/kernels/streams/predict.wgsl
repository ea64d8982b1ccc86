// Predicts all vectors of the hidden state from all of them: each becomes its sum with all, weighted by coefficients that
// follow from the router's outputs.
// Grid: x: ceil(LEN / WORKGROUP), y: tokens. Constants: COUNT (vectors of the hidden state), LEN, WORKGROUP.
#include "shared/state.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Outputs of the router: [tokens][COUNT]
@group(0) @binding(1) var<storage, read> routes: array<f32>;
// Coefficients by outputs: [COUNT][COUNT][COUNT]
@group(0) @binding(2) var<storage, read> coefficients: array<f32>;
// First vector: [tokens][LEN]
@group(0) @binding(3) var<storage, read_write> hidden: array<f32>;
// The others: [tokens][COUNT - 1][LEN]
@group(0) @binding(4) var<storage, read_write> others: array<f32>;
// A copy of the first vector's prediction: [tokens][LEN]
@group(0) @binding(5) var<storage, read_write> prediction: array<f32>;

// The coefficients of each vector: [COUNT][COUNT]
var<workgroup> shares: array<f32, COUNT * COUNT>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let token = group.y;
    if (token >= state.token_count) {
        return;
    }
    for (var at = thread; at < COUNT * COUNT; at += WORKGROUP) {
        var sum = 0.0;
        for (var k = 0u; k < COUNT; k++) {
            sum += coefficients[at * COUNT + k] * routes[token * COUNT + k];
        }
        shares[at] = sum;
    }
    workgroupBarrier();
    let i = group.x * WORKGROUP + thread;
    if (i >= LEN) {
        return;
    }
    var before: array<f32, COUNT>;
    before[0] = hidden[token * LEN + i];
    for (var k = 1u; k < COUNT; k++) {
        before[k] = others[(token * (COUNT - 1u) + k - 1u) * LEN + i];
    }
    for (var own = 0u; own < COUNT; own++) {
        var sum = before[own];
        for (var k = 0u; k < COUNT; k++) {
            sum += shares[own * COUNT + k] * before[k];
        }
        if (own == 0u) {
            hidden[token * LEN + i] = sum;
            prediction[token * LEN + i] = sum;
        } else {
            others[(token * (COUNT - 1u) + own - 1u) * LEN + i] = sum;
        }
    }
}

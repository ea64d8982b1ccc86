// Corrects the predictions of all vectors of the hidden state by the difference between the first, which the layer
// computed, and its prediction; each times a factor that follows from the router's outputs. The corrected first one, times
// a scale, is also the input of the gates of the layer's own input.
// Grid: x: ceil(LEN / WORKGROUP), y: tokens. Constants: COUNT (vectors of the hidden state), LEN, WORKGROUP.
#include "shared/state.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Outputs of the router: [tokens][COUNT]
@group(0) @binding(1) var<storage, read> routes: array<f32>;
// Factors by outputs, less one: [COUNT][COUNT]
@group(0) @binding(2) var<storage, read> coefficients: array<f32>;
// First vector, computed, then corrected: [tokens][LEN]
@group(0) @binding(3) var<storage, read_write> hidden: array<f32>;
// The others, predicted, then corrected: [tokens][COUNT - 1][LEN]
@group(0) @binding(4) var<storage, read_write> others: array<f32>;
// The first vector's prediction: [tokens][LEN]
@group(0) @binding(5) var<storage, read> prediction: array<f32>;
// Scale of the gates' input: [LEN]
@group(0) @binding(6) var<storage, read> gate_scale: array<f32>;
// Input of the gates: [tokens][LEN]
@group(0) @binding(7) var<storage, read_write> gate_input: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let i = group.x * WORKGROUP + thread;
    let token = group.y;
    if (token >= state.token_count || i >= LEN) {
        return;
    }
    let predicted = prediction[token * LEN + i];
    let change = hidden[token * LEN + i] - predicted;
    for (var own = 0u; own < COUNT; own++) {
        var weight = 1.0;
        for (var k = 0u; k < COUNT; k++) {
            weight += coefficients[own * COUNT + k] * routes[token * COUNT + k];
        }
        if (own == 0u) {
            let corrected = predicted + weight * change;
            hidden[token * LEN + i] = corrected;
            gate_input[token * LEN + i] = corrected * gate_scale[i];
        } else {
            others[(token * (COUNT - 1u) + own - 1u) * LEN + i] += weight * change;
        }
    }
}

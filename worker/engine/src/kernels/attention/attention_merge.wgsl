// Merges the splits of `attention.wgsl`.
// Grid: x: HEADS, y: tokens. Constants: HEADS, VALUE_DIM, SPLITS, WORKGROUP.
#include "shared/state.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Sums, then a pair of the highest score and the sum of weights: [tokens][HEADS][SPLITS][VALUE_DIM / 2 + 1]
@group(0) @binding(1) var<storage, read> parts: array<vec2<f32>>;
// Output: [tokens][HEADS][VALUE_DIM / 2]
@group(0) @binding(2) var<storage, read_write> y: array<vec2<f32>>;

const VALUE_PAIRS: u32 = VALUE_DIM / 2u;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    if (group.y >= state.token_count) {
        return;
    }
    let row = group.y * HEADS + group.x;
    let base = row * SPLITS * (VALUE_PAIRS + 1u);
    var highest = -3.0e38;
    for (var split = 0u; split < SPLITS; split++) {
        highest = max(highest, parts[base + split * (VALUE_PAIRS + 1u) + VALUE_PAIRS].x);
    }
    for (var pair = thread; pair < VALUE_PAIRS; pair += WORKGROUP) {
        var sum = vec2<f32>(0.0);
        var total = 0.0;
        for (var split = 0u; split < SPLITS; split++) {
            let part = base + split * (VALUE_PAIRS + 1u);
            let tail = parts[part + VALUE_PAIRS];
            let factor = exp(tail.x - highest);
            sum += factor * parts[part + pair];
            total += factor * tail.y;
        }
        y[row * VALUE_PAIRS + pair] = sum / total;
    }
}

// Merges the splits of `attention.wgsl`.
// Grid: x: HEADS, y: tokens. Constants: HEADS, HEAD_DIM, SPLITS, WORKGROUP.
#include "shared/state.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Sums, then a pair of the highest score and the sum of weights: [tokens][HEADS][SPLITS][HEAD_DIM / 2 + 1]
@group(0) @binding(1) var<storage, read> parts: array<vec2<f32>>;
// Output: [tokens][HEADS][HEAD_DIM / 2]
@group(0) @binding(2) var<storage, read_write> y: array<vec2<f32>>;

const HALF_DIM: u32 = HEAD_DIM / 2u;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    if (group.y >= state.token_count) {
        return;
    }
    let row = group.y * HEADS + group.x;
    let base = row * SPLITS * (HALF_DIM + 1u);
    var highest = -3.0e38;
    for (var split = 0u; split < SPLITS; split++) {
        highest = max(highest, parts[base + split * (HALF_DIM + 1u) + HALF_DIM].x);
    }
    for (var pair = thread; pair < HALF_DIM; pair += WORKGROUP) {
        var sum = vec2<f32>(0.0);
        var total = 0.0;
        for (var split = 0u; split < SPLITS; split++) {
            let part = base + split * (HALF_DIM + 1u);
            let tail = parts[part + HALF_DIM];
            let factor = exp(tail.x - highest);
            sum += factor * parts[part + pair];
            total += factor * tail.y;
        }
        y[row * HALF_DIM + pair] = sum / total;
    }
}

// Converts the input of `tiled_packed.wgsl`, after an RMS norm with NORM, to blocks of 32 8-bit integers with a scale
// each.
// Grid: x: INPUTS, y: tokens. Constants: COLS, BLOCKS (COLS / 32), INPUTS (inputs per token), EPS, WORKGROUP.
#include "shared/state.wgsl"
#include "shared/workgroup_sum.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Input: [tokens][INPUTS][COLS / 4]
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
#ifdef NORM
// Weight of the RMS norm: [COLS / 4]
@group(0) @binding(2) var<storage, read> norm_weight: array<vec4<f32>>;
#endif
// Output: [tokens][INPUTS][BLOCKS][10]; per block eight words of four signed bytes, its scale, and its scale times the sum of
// its bytes
@group(0) @binding(3) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    if (group.y >= state.token_count) {
        return;
    }
    let row = group.y * INPUTS + group.x;
    let base = row * (COLS / 4u);
    var norm = 1.0;
#ifdef NORM
    var sum = 0.0;
    for (var i = thread; i < COLS / 4u; i += WORKGROUP) {
        sum += dot(x[base + i], x[base + i]);
    }
    norm = inverseSqrt(workgroup_sum(sum, thread) / f32(COLS) + EPS);
#endif
    for (var block = thread; block < BLOCKS; block += WORKGROUP) {
        var largest = vec4<f32>(0.0);
        #repeat v 8
        var value$v = norm * x[base + block * 8u + $vu];
#ifdef NORM
        value$v *= norm_weight[block * 8u + $vu];
#endif
        largest = max(largest, abs(value$v));
        #end
        let most = max(max(largest.x, largest.y), max(largest.z, largest.w));
        // If all are zero, they stay zero.
        let scale = most / 127.0;
        let inverse = select(0.0, 127.0 / most, most > 0.0);
        let at = (row * BLOCKS + block) * 10u;
        var bytes = 0i;
        #repeat v 8
        let rounded$v = vec4<i32>(round(value$v * inverse));
        bytes += rounded$v.x + rounded$v.y + rounded$v.z + rounded$v.w;
        y[at + $vu] = pack4xI8(rounded$v);
        #end
        y[at + 8u] = bitcast<u32>(scale);
        y[at + 9u] = bitcast<u32>(scale * f32(bytes));
    }
}

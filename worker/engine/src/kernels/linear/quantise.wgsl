// Converts the input of `tiled_packed.wgsl`, after an RMS norm with NORM, to blocks of 32 8-bit integers with a scale
// each.
// Grid: x: INPUTS, y: tokens. Constants: COLS, BLOCKS (COLS / 32), INPUTS (inputs per token), EPS, WORKGROUP.
#include "shared/state.wgsl"
#include "shared/workgroup_sum.wgsl"
#include "formats/block.wgsl"
#include "linear/rounded.wgsl"

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
        let start = base + block * 8u;
        #repeat v 8
        var value$v = norm * x[start + $vu];
#ifdef NORM
        value$v *= norm_weight[block * 8u + $vu];
#endif
        #end
        let bytes = rounded(Block(value0, value1, value2, value3, value4, value5, value6, value7));
        let at = (row * BLOCKS + block) * 10u;
        #repeat v 4
        y[at + $vu] = bytes.first[$v];
        y[at + 4u + $vu] = bytes.second[$v];
        #end
        y[at + 8u] = bitcast<u32>(bytes.scale);
        y[at + 9u] = bitcast<u32>(bytes.scale * f32(bytes.sums.x + bytes.sums.y));
    }
}

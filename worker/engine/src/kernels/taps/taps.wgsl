// What the rows of a convolution's matrix are multiplied with: y[t][c * TAPS + k] = x[t * STRIDE + k - 1][c], and zero
// where there is no such frame. Further elements of a row are zero, too.
// Grid: one workgroup per row. Constants: FRAMES, CHANNELS, TAPS, STRIDE, LEN (elements of a row), WORKGROUP.
#include "shared/state.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Frames: [FRAMES][CHANNELS]
@group(0) @binding(1) var<storage, read> x: array<f32>;
// Rows: [tokens][LEN]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let row = group.x;
    if (row >= state.token_count) {
        return;
    }
    for (var i = thread; i < LEN; i += WORKGROUP) {
        let channel = i / TAPS;
        // One more than the frame's index.
        let frame = row * STRIDE + i % TAPS;
        var value = 0.0;
        if (channel < CHANNELS && frame >= 1u && frame <= FRAMES) {
            value = x[(frame - 1u) * CHANNELS + channel];
        }
        y[row * LEN + i] = value;
    }
}

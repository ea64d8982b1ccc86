// After `convolution.wgsl`, stores the last TAPS - 1 inputs for the next batch. A batch may have fewer tokens.
// Grid: x: ceil(CHANNELS / WORKGROUP). Constants: those of `convolution.wgsl`.
#include "shared/state.wgsl"
#include "shared/place.wgsl"

@group(0) @binding(0) var<uniform> state: State;
#include "convolution/convolution_input.wgsl"
// Inputs of the tokens before this batch, then of those before the next one, oldest first:
// [sequences][TAPS - 1][CHANNELS]
@group(0) @binding(3) var<storage, read_write> memory: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let channel = id.x;
    if (channel >= CHANNELS) {
        return;
    }
    let first = sequence_of(0u) * (TAPS - 1u) * CHANNELS + channel;
    for (var i = 0u; i + 1u < TAPS; i++) {
        // Counted from the oldest input in memory, which the batch's inputs follow. Reads are ahead of writes.
        let at = state.token_count + i;
        if (at >= TAPS - 1u) {
            memory[first + i * CHANNELS] = input_of(at - (TAPS - 1u), channel);
        } else {
            memory[first + i * CHANNELS] = memory[first + at * CHANNELS];
        }
    }
}

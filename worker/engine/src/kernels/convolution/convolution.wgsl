// Causal depthwise convolution: the result of a channel is the weighted sum of its inputs of the token and of the TAPS
// - 1 tokens before, with BIAS plus a constant. With GATED it is multiplied by a gate, otherwise it goes through SiLU.
// With ONE_TOKEN, for batches of one token or with EACH, the state is updated as well.
// Grid: x: ceil(CHANNELS / WORKGROUP), y: tokens. Constants: CHANNELS, TAPS (at least 2), ROW_LEN, INPUT_AT,
// WORKGROUP.
#include "shared/state.wgsl"
#include "shared/place.wgsl"

@group(0) @binding(0) var<uniform> state: State;
#include "convolution/convolution_input.wgsl"
// Weights, the last for the token's own input: [CHANNELS][TAPS]
@group(0) @binding(2) var<storage, read> taps: array<f32>;
#ifdef ONE_TOKEN
// Inputs of the tokens before this batch, oldest first: [sequences][TAPS - 1][CHANNELS]. This token's replaces the
// oldest.
@group(0) @binding(3) var<storage, read_write> memory: array<f32>;
#else
// Inputs of the tokens before this batch, oldest first: [sequences][TAPS - 1][CHANNELS]. `convolution_state.wgsl`
// updates them.
@group(0) @binding(3) var<storage, read> memory: array<f32>;
#endif
// Output: [tokens][CHANNELS]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
#ifdef BIAS
// Added to the weighted sums: [CHANNELS]
@group(0) @binding(5) var<storage, read> bias: array<f32>;
#endif

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let channel = id.x;
    let token = id.y;
    if (channel >= CHANNELS || token >= state.token_count) {
        return;
    }
    // Where the sequence's inputs of this channel begin.
    let first = sequence_of(token) * (TAPS - 1u) * CHANNELS + channel;
#ifdef EACH
    let earlier = 0u;
#else
    // Tokens of the sequence in the batch before this one.
    let earlier = token;
#endif
#ifdef BIAS
    var sum = bias[channel];
#else
    var sum = 0.0;
#endif
    for (var tap = 0u; tap < TAPS; tap++) {
        let back = TAPS - 1u - tap;
        var input = 0.0;
        if (earlier >= back) {
            input = input_of(token - back, channel);
        } else {
            input = memory[first + (earlier + tap) * CHANNELS];
        }
        sum += taps[channel * TAPS + tap] * input;
    }
#ifdef GATED
    y[token * CHANNELS + channel] = sum * rows[token * ROW_LEN + CHANNELS + channel];
#else
    y[token * CHANNELS + channel] = sum / (1.0 + exp(-sum));
#endif
#ifdef ONE_TOKEN
    for (var i = 0u; i + 2u < TAPS; i++) {
        memory[first + i * CHANNELS] = memory[first + (i + 1u) * CHANNELS];
    }
    memory[first + (TAPS - 2u) * CHANNELS] = input_of(token, channel);
#endif
}

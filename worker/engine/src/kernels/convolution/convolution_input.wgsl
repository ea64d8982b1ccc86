// The input of a convolution, from a token's projection.

// Projection: [tokens][ROW_LEN]. With GATED a row begins with gates of the input, gates of the output and the input,
// CHANNELS each; otherwise it has the input from INPUT_AT on.
@group(0) @binding(1) var<storage, read> rows: array<f32>;

fn input_of(token: u32, channel: u32) -> f32 {
    let at = token * ROW_LEN + INPUT_AT + channel;
#ifdef GATED
    return rows[at] * rows[at + 2u * CHANNELS];
#else
    return rows[at];
#endif
}

// State of the decode loop. Written by the host before a prefill, and by `sample.wgsl` after each token.
struct State {
    // Position in the sequence of the batch's first token.
    position: u32,
    // Number of tokens in the batch: 1 while decoding.
    token_count: u32,
    // Number of tokens sampled since the start of the answer.
    step: u32,
    // Row of the logits to sample from. It advances with each sample, and from the batch's last row to the first.
    row: u32,
#ifdef SEQUENCES
    // With EACH sequence and position of each token; otherwise the first has the sequence of the batch (`place.wgsl`).
    places: array<vec4<u32>, MAX_SEQUENCES>,
#endif
}

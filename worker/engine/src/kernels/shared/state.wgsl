// The step that the GPU works on. Written by the host before a prefill, by `sample.wgsl` after each token.
struct State {
    // Position in the sequence of the first token of this batch.
    position: u32,
    // Tokens in this batch: 1 while decoding.
    token_count: u32,
    // Tokens sampled since the generation began.
    step: u32,
    // Row of the logits that the next token is chosen by. Each choice goes on to the next one, and from the batch's last to the first.
    row: u32,
}

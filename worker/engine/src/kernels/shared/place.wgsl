// Where a token of the batch belongs. The tokens of a batch follow each other in a sequence, with SEQUENCES in one of
// several in memory. With EACH every token is of a sequence of its own.

// The token's sequence, as its index in memory.
fn sequence_of(token: u32) -> u32 {
#ifdef EACH
    return state.places[token].x;
#else
#ifdef SEQUENCES
    return state.places[0].x;
#else
    return 0u;
#endif
#endif
}

// The tokens that workgroup `z` computes one after the other, the first and the one after the last: those of the batch,
// or with EACH one. There may be none.
fn tokens_of(z: u32) -> vec2<u32> {
#ifdef EACH
    return vec2<u32>(z, min(z + 1u, state.token_count));
#else
    return vec2<u32>(0u, state.token_count);
#endif
}

// The token's position in its sequence.
fn position_of(token: u32) -> u32 {
#ifdef EACH
    return state.places[token].y;
#else
    return state.position + token;
#endif
}

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

// The token's position in its sequence.
fn position_of(token: u32) -> u32 {
#ifdef EACH
    return state.places[token].y;
#else
    return state.position + token;
#endif
}

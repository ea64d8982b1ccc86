// Rows of a layer's cache and of the RoPE angles. With SEQUENCES each sequence has SEQUENCE_ROWS of one and CONTEXT of
// the other.
#include "shared/place.wgsl"

// The row of a sequence's position. With RING there are rows for RING_LEN positions only, and a position takes that of
// the one RING_LEN before it, which no token of its batch attends to any more.
fn cache_row(sequence: u32, position: u32) -> u32 {
#ifdef RING
    let row = position % RING_LEN;
#else
    let row = position;
#endif
#ifdef SEQUENCES
    return sequence * SEQUENCE_ROWS + row;
#else
    return row;
#endif
}

// The row of a token of the batch.
fn own_row(token: u32) -> u32 {
    return cache_row(sequence_of(token), position_of(token));
}

// The row of its angles.
fn angle_row(token: u32) -> u32 {
#ifdef SEQUENCES
    return sequence_of(token) * CONTEXT + position_of(token);
#else
    return position_of(token);
#endif
}

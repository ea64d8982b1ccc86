// The row of a position in a layer's cache. With RING the cache has rows for RING_LEN positions only, and a position
// takes that of the one RING_LEN before it, which no token of its batch attends to any more.
fn cache_row(position: u32) -> u32 {
#ifdef RING
    return position % RING_LEN;
#else
    return position;
#endif
}

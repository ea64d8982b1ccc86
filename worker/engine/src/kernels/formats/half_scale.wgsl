// Stream of scales with one f16 per block, two per word.
fn load_scale(block: u32) -> f32 {
    return half_of(scales[block >> 1u], block);
}

// The scale of a block from its word.
fn half_of(word: u32, block: u32) -> f32 {
    let pair = unpack2x16float(word);
    return select(pair.x, pair.y, (block & 1u) == 1u);
}

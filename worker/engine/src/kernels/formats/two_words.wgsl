// Quants of two words per block.
fn load_words(block: u32) -> vec2<u32> {
    let pair = quants[block >> 1u];
    return select(pair.xy, pair.zw, (block & 1u) == 1u);
}

// Quants of one word per block.
fn load_word(block: u32) -> u32 {
    let words = quants[block >> 2u];
    let pair = select(words.xy, words.zw, (block & 2u) == 2u);
    return select(pair.x, pair.y, (block & 1u) == 1u);
}

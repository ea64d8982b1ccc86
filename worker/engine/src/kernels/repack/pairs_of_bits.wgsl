// Word i of 16, a word for each half of eight blocks, whose pairs of bits stand in 64 bytes from `at` on, four blocks in each half of them: the
// weights 4k to 4k + 3 of a half block in the word's four bytes, from bit 2k on.
fn pairs_of_bits(at: u32, i: u32) -> u32 {
    let start = at + 32u * (i >> 3u) + 16u * (i & 1u);
    let block = (i >> 1u) & 3u;
    var bits = 0u;
    for (var k = 0u; k < 4u; k++) {
        bits |= ((file_word(start + 4u * k) >> (2u * block)) & 0x03030303u) << (2u * k);
    }
    return bits;
}

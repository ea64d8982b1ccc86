// Word i of 16, one per half of eight blocks. Their pairs of bits are in 64 bytes from `at` on, four blocks in either
// half of these; weights 4k to 4k + 3 of a half block go to the word's four bytes, starting at bit 2k.
fn pairs_of_bits(at: u32, i: u32) -> u32 {
    let start = at + 32u * (i >> 3u) + 16u * (i & 1u);
    let block = (i >> 1u) & 3u;
    var bits = 0u;
    for (var k = 0u; k < 4u; k++) {
        bits |= ((file_word(start + 4u * k) >> (2u * block)) & 0x03030303u) << (2u * k);
    }
    return bits;
}

// The word of high bits for one of eight blocks: 32 bytes from `at` on hold one bit of each block; weights 4k to 4k + 3
// go to the word's four bytes, in bit k.
fn bits_of_block(at: u32, block: u32) -> u32 {
    var bits = 0u;
    for (var k = 0u; k < 8u; k++) {
        bits |= ((file_word(at + 4u * k) >> block) & 0x01010101u) << k;
    }
    return bits;
}

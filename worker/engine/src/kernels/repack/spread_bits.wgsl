// From a word with the bit of weight i in bit i to the order of `formats/high_bits.wgsl`: weights 4k to 4k + 3 in the
// four bytes, in bit k.
fn spread_bits(word: u32) -> u32 {
    var bits = 0u;
    for (var k = 0u; k < 8u; k++) {
        let four = (word >> (4u * k)) & 15u;
        bits |= ((four | (four << 7u) | (four << 14u) | (four << 21u)) & 0x01010101u) << k;
    }
    return bits;
}

// Signs of which every eight weights have an even number: that of the last weight follows from the others, and four
// other bits take the place of these.
const SPARE: u32 = 0xaa000000u;

// All signs, in the order of `high_bits.wgsl`.
fn even_signs(word: u32) -> u32 {
    let known = word & ~SPARE;
    var sum = known ^ (known >> 16u);
    sum ^= sum >> 8u;
    sum ^= sum >> 1u;
    return known | ((sum & 0x55u) << 25u);
}

// The other bits.
fn spare_bits(word: u32) -> u32 {
    let bits = (word >> 25u) & 0x55u;
    let pairs = (bits | (bits >> 1u)) & 0x33u;
    return (pairs | (pairs >> 2u)) & 15u;
}

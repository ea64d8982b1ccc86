#include "repack/spread_bits.wgsl"

// From four times seven signs, in ascending bits, and four other bits to the word that `formats/even_signs.wgsl` reads.
fn even_signs(signs: u32, spare: u32) -> u32 {
    let first = (signs & 0x7fu) | ((signs & 0x3f80u) << 1u);
    let second = ((signs & 0x1fc000u) << 2u) | ((signs & 0xfe00000u) << 3u);
    let other = (spare & 1u) | ((spare & 2u) << 1u) | ((spare & 4u) << 2u) | ((spare & 8u) << 3u);
    return spread_bits(first | second) | (other << 25u);
}

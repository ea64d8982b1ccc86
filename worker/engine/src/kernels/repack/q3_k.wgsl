// Q3_K: 32 bytes of high bits, 64 bytes of pairs of bits, 12 bytes of scales, f16 d.
#include "repack/put_scales.wgsl"
#include "repack/pairs_of_bits.wgsl"
#include "repack/eight_bits.wgsl"

// Four of 16 scales as signed bytes: biased by 32, with the low four bits in eight bytes from `at` on and the high two
// bits in the next four.
fn signed_scales(at: u32, i: u32) -> u32 {
    let low = (file_word(at + 4u * (i & 1u)) >> (4u * (i >> 1u))) & 0x0f0f0f0fu;
    let high = (file_word(at + 8u) >> (2u * i)) & 0x03030303u;
    let biased = low | (high << 4u);
    // Subtracts 32: a byte without bit 5 is negative, so bits 5 to 7 are set.
    let negative = ~biased & 0x20202020u;
    return (biased & 0x1f1f1f1fu) | negative | (negative << 1u) | (negative << 2u);
}

fn repack(at: u32, group: u32) {
    for (var i = 0u; i < 16u; i++) {
        put_quants(group, i, pairs_of_bits(at + 32u, i));
    }
    for (var block = 0u; block < 8u; block++) {
        put_scales(group, block, bits_of_block(at, block));
    }
    for (var i = 0u; i < 4u; i++) {
        put_scales(group, 8u + i, signed_scales(at + 96u, i));
    }
    put_half(at + 108u, group, 12u);
}

// 4-bit floats (E2M1; OCP Microscaling Formats 1.0, table 5).
#include "formats/signed_quad.wgsl"

// The floats in the low nibbles of four bytes, doubled, plus 64; to be multiplied by BYTE_SCALE. Arithmetic is faster
// than a table.
fn fp4_quad(word: u32) -> vec4<f32> {
    // 0, 1, 2, 3, then 4, 6, 8, 12: the latter are 4 + 2n, but for the last.
    let n = word & 0x03030303u;
    let is_three = n & (n >> 1u) & 0x01010101u;
    let is_large = (word >> 2u) & 0x01010101u;
    let doubled = n + ((n + 2u * is_three + 0x04040404u) & (15u * is_large));
    return signed_quad(doubled | 0x40404040u, word >> 3u);
}

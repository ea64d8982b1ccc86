// Four weights as magnitudes and signs.
#include "formats/nibbles.wgsl"

// The weights plus 64, as bytes. `magnitudes` has four bytes, each 64 plus a number below 64; the sign of weight i is in
// bit 8i of `signs`.
fn signed_bytes(magnitudes: u32, signs: u32) -> u32 {
    let negative = signs & 0x01010101u;
    // Each byte is 64 + m, or 127 - (64 + m) + 1.
    return (magnitudes ^ (negative * 127u)) + negative;
}

// The same as floats, to be multiplied by BYTE_SCALE.
fn signed_quad(magnitudes: u32, signs: u32) -> vec4<f32> {
    let biased = vec4<u32>(signed_bytes(magnitudes, signs));
    return vec4<f32>(vec4<i32>(biased & vec4<u32>(0x7fu, 0x7f00u, 0x7f0000u, 0x7f000000u)));
}

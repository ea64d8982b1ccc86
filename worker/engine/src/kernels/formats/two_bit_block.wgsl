// 32 weights of two bits, in a word per half block; the four weights of group k have two bits in the word's four bytes,
// starting at bit 2k: w = q * scale - offset, with a scale and an offset for either half.
#include "formats/block.wgsl"
#include "formats/codes.wgsl"
#include "formats/high_bits.wgsl"

fn two_bit_block(q: vec2<u32>, scale: vec2<f32>, offset: vec2<f32>) -> Block {
    let s0 = scale.x * BYTE_SCALE;
    let s1 = scale.y * BYTE_SCALE;
    let m0 = vec4<f32>(offset.x);
    let m1 = vec4<f32>(offset.y);
    return Block(
        two_bits(q.x) * s0 - m0,
        two_bits(q.x >> 2u) * s0 - m0,
        two_bits(q.x >> 4u) * s0 - m0,
        two_bits(q.x >> 6u) * s0 - m0,
        two_bits(q.y) * s1 - m1,
        two_bits(q.y >> 2u) * s1 - m1,
        two_bits(q.y >> 4u) * s1 - m1,
        two_bits(q.y >> 6u) * s1 - m1,
    );
}

// The same as integers, without the offset.
fn two_bit_codes(q: vec2<u32>, scale: f32) -> Codes {
    let first = vec4<u32>(q.x, q.x >> 2u, q.x >> 4u, q.x >> 6u) & vec4<u32>(0x03030303u);
    let second = vec4<u32>(q.y, q.y >> 2u, q.y >> 4u, q.y >> 6u) & vec4<u32>(0x03030303u);
    return Codes(first, second, vec2<f32>(scale));
}

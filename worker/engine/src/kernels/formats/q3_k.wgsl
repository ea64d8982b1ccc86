// Q3_K: quants hold half a vec4 per block (a word per half block; the four weights of group k have two bits in the
// word's four bytes, starting at bit 2k); 13 words of scales per eight blocks: one with high bits per block, 16 signed
// bytes (one per half block), f16 d; w = d scale (q - 4).
#include "formats/block.wgsl"
#include "formats/high_bits.wgsl"
#include "formats/signed_scales.wgsl"
#include "formats/two_words.wgsl"

fn load_block(block: u32) -> Block {
    let base = (block >> 3u) * 13u;
    let i = block & 7u;
    let q = load_words(block);
    let h = scales[base + i];
    let d = unpack2x16float(scales[base + 12u]).x;
    let halves = half_block_scales(scales[base + 8u + (i >> 1u)], 16u * (i & 1u), d);
    let s0 = halves.x * BYTE_SCALE;
    let s1 = halves.y * BYTE_SCALE;
    let m0 = vec4<f32>(4.0 * halves.x);
    let m1 = vec4<f32>(4.0 * halves.y);
    return Block(
        three_bits(q.x, h) * s0 - m0,
        three_bits(q.x >> 2u, h >> 1u) * s0 - m0,
        three_bits(q.x >> 4u, h >> 2u) * s0 - m0,
        three_bits(q.x >> 6u, h >> 3u) * s0 - m0,
        three_bits(q.y, h >> 4u) * s1 - m1,
        three_bits(q.y >> 2u, h >> 5u) * s1 - m1,
        three_bits(q.y >> 4u, h >> 6u) * s1 - m1,
        three_bits(q.y >> 6u, h >> 7u) * s1 - m1,
    );
}

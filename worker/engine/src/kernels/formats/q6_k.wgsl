// Q6_K: quants as in Q4_0; 21 words of scales per eight blocks: two with high bits per block, 16 signed bytes (one per
// half block), f16 d; w = d scale (q - 32).
#include "formats/block.wgsl"
#include "formats/high_bits.wgsl"
#include "formats/signed_scales.wgsl"

fn load_block(block: u32) -> Block {
    let base = (block >> 3u) * 21u;
    let i = block & 7u;
    let q = quants[block];
    let h0 = scales[base + 2u * i];
    let h1 = scales[base + 2u * i + 1u];
    let d = unpack2x16float(scales[base + 20u]).x;
    let halves = half_block_scales(scales[base + 16u + (i >> 1u)], 16u * (i & 1u), d);
    let s0 = halves.x * BYTE_SCALE;
    let s1 = halves.y * BYTE_SCALE;
    let m0 = vec4<f32>(32.0 * halves.x);
    let m1 = vec4<f32>(32.0 * halves.y);
    return Block(
        six_bits(q.x, h0) * s0 - m0,
        six_bits(q.y, h0 >> 2u) * s0 - m0,
        six_bits(q.z, h0 >> 4u) * s0 - m0,
        six_bits(q.w, h0 >> 6u) * s0 - m0,
        six_bits(q.x >> 4u, h1) * s1 - m1,
        six_bits(q.y >> 4u, h1 >> 2u) * s1 - m1,
        six_bits(q.z >> 4u, h1 >> 4u) * s1 - m1,
        six_bits(q.w >> 4u, h1 >> 6u) * s1 - m1,
    );
}

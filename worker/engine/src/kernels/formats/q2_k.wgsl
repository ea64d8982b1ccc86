// Q2_K: quants as in Q3_K; five words of scales per eight blocks: 16 bytes (one per half block: scale in the low
// nibble, minimum in the high one), then f16 d and dmin; w = d scale q - dmin minimum.
#include "formats/block.wgsl"
#include "formats/high_bits.wgsl"

fn load_block(block: u32) -> Block {
    let base = (block >> 3u) * 5u;
    let i = block & 7u;
    let pair = quants[block >> 1u];
    let q = select(pair.xy, pair.zw, (block & 1u) == 1u);
    let own = scales[base + (i >> 1u)] >> (16u * (i & 1u));
    let d = unpack2x16float(scales[base + 4u]);
    let s0 = d.x * f32(own & 15u) * BYTE_SCALE;
    let m0 = vec4<f32>(d.y * f32((own >> 4u) & 15u));
    let s1 = d.x * f32((own >> 8u) & 15u) * BYTE_SCALE;
    let m1 = vec4<f32>(d.y * f32((own >> 12u) & 15u));
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

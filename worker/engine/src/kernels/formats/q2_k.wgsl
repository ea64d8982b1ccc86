// Q2_K: quants as in Q3_K; five words of scales per eight blocks: 16 bytes (one per half block: scale in the low
// nibble, minimum in the high one), then f16 d and dmin; w = d scale q - dmin minimum.
#include "formats/two_bit_block.wgsl"
#include "formats/two_words.wgsl"

fn load_block(block: u32) -> Block {
    let base = (block >> 3u) * 5u;
    let i = block & 7u;
    let own = scales[base + (i >> 1u)] >> (16u * (i & 1u));
    let d = unpack2x16float(scales[base + 4u]);
    let scale = d.x * vec2<f32>(f32(own & 15u), f32((own >> 8u) & 15u));
    let minimum = d.y * vec2<f32>(f32((own >> 4u) & 15u), f32((own >> 12u) & 15u));
    return two_bit_block(load_words(block), scale, minimum);
}

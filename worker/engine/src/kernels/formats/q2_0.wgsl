// Q2_0: quants as in Q3_K; a f16 d per two blocks; w = d (q - 1).
const CENTRE: i32 = 1;
const HAS_HALVES: bool = false;
#include "formats/common_scales.wgsl"
#include "formats/half_scale.wgsl"
#include "formats/two_bit_block.wgsl"
#include "formats/two_words.wgsl"

fn load_block(block: u32) -> Block {
    let d = vec2<f32>(load_scale(block >> 1u));
    return two_bit_block(load_words(block), d, d);
}

fn load_common(block: u32) -> vec4<u32> {
    return vec4<u32>(scales[block >> 2u], 0u, 0u, 0u);
}

fn codes_of(words: vec2<u32>, own: u32, scale_words: vec4<u32>, block: u32) -> Codes {
    return two_bit_codes(words, half_of(scale_words.x, block >> 1u));
}

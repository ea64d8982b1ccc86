// TQ1_0 and TQ2_0: quants as in Q3_K; a word of scales per eight blocks, f16 d; w = d (q - 1).
const CENTRE: i32 = 1;
const HAS_HALVES: bool = false;
#include "formats/common_scales.wgsl"
#include "formats/two_bit_block.wgsl"
#include "formats/two_words.wgsl"

fn load_block(block: u32) -> Block {
    let d = unpack2x16float(scales[block >> 3u]).xx;
    return two_bit_block(load_words(block), d, d);
}

fn load_common(block: u32) -> vec4<u32> {
    return vec4<u32>(scales[block >> 3u], 0u, 0u, 0u);
}

fn codes_of(words: vec2<u32>, own: u32, scale_words: vec4<u32>, block: u32) -> Codes {
    return two_bit_codes(words, unpack2x16float(scale_words.x).x);
}

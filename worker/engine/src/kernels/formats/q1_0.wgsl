// Q1_0: quants hold a word per block (the four weights of group k in the word's four bytes, in bit k); a f16 d per four
// blocks; w = d if the bit is set, else -d.
const CENTRE: i32 = 1;
const HAS_HALVES: bool = false;
#include "formats/block.wgsl"
#include "formats/codes.wgsl"
#include "formats/common_scales.wgsl"
#include "formats/half_scale.wgsl"
#include "formats/one_word.wgsl"

// The weights of the highest bits of four bytes, from the bits of -d.
fn four_signs(bits: u32, minus: u32) -> vec4<f32> {
    let signs = vec4<u32>(bits << 24u, bits << 16u, bits << 8u, bits) & vec4<u32>(0x80000000u);
    return bitcast<vec4<f32>>(vec4<u32>(minus) ^ signs);
}

fn load_block(block: u32) -> Block {
    let q = load_word(block);
    let minus = bitcast<u32>(-load_scale(block >> 2u));
    return Block(
        four_signs(q << 7u, minus),
        four_signs(q << 6u, minus),
        four_signs(q << 5u, minus),
        four_signs(q << 4u, minus),
        four_signs(q << 3u, minus),
        four_signs(q << 2u, minus),
        four_signs(q << 1u, minus),
        four_signs(q, minus),
    );
}

fn load_common(block: u32) -> vec4<u32> {
    return vec4<u32>(scales[block >> 3u], 0u, 0u, 0u);
}

// Twice the bits.
fn codes_of(words: vec2<u32>, own: u32, scale_words: vec4<u32>, block: u32) -> Codes {
    let q = words.x;
    let first = vec4<u32>(q << 1u, q, q >> 1u, q >> 2u) & vec4<u32>(0x02020202u);
    let second = vec4<u32>(q >> 3u, q >> 4u, q >> 5u, q >> 6u) & vec4<u32>(0x02020202u);
    return Codes(first, second, vec2<f32>(half_of(scale_words.x, block >> 2u)));
}

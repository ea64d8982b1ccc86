// IQ3_XXS: quants hold two words per block, eight bytes, which index the codebook; nine words of scales per eight
// blocks: signs of each with a scale in their spare bits, f16 d; w = ±m d (scale + 0.5) / 2.
const CODEBOOK_WORDS: u32 = 256u;
const HAS_HALVES: bool = false;
#include "formats/signed_block.wgsl"
#include "formats/even_signs.wgsl"

fn load_head(block: u32) -> vec4<u32> {
    let base = CODEBOOK_WORDS + (block >> 3u) * 9u;
    return vec4<u32>(scales[base + (block & 7u)], scales[base + 8u], 0u, 0u);
}

fn signed_of(words: vec2<u32>, head: vec4<u32>, block: u32) -> Signed {
    let scale = 0.5 * unpack2x16float(head.y).x * (f32(spare_bits(head.x)) + 0.5);
    return signed_fours(four_bytes(words.x), four_bytes(words.y), even_signs(head.x), vec2<f32>(scale));
}

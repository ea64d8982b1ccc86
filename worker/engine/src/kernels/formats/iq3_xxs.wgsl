// IQ3_XXS: quants hold two words per block, eight bytes, which index the codebook; nine words of scales per eight
// blocks: signs of each with a scale in their spare bits, f16 d; w = ±m d (scale + 0.5) / 2.
const CODEBOOK_WORDS: u32 = 256u;
const HAS_HALVES: bool = false;
#include "formats/signed_fours.wgsl"
#include "formats/even_signs.wgsl"

// Its signs, with a scale.
fn load_own(block: u32) -> u32 {
    return scales[CODEBOOK_WORDS + (block >> 3u) * 9u + (block & 7u)];
}

fn load_common(block: u32) -> vec4<u32> {
    return vec4<u32>(scales[CODEBOOK_WORDS + (block >> 3u) * 9u + 8u], 0u, 0u, 0u);
}

fn signed_of(words: vec2<u32>, own: u32, scale_words: vec4<u32>, block: u32) -> Signed {
    let scale = 0.5 * unpack2x16float(scale_words.x).x * (f32(spare_bits(own)) + 0.5);
    return signed_fours(four_bytes(words.x), four_bytes(words.y), even_signs(own), vec2<f32>(scale));
}

// IQ2_XXS: quants hold two words per block: four bytes, which index the codebook, and signs with a scale in their spare
// bits; a word of scales per eight blocks, f16 d; w = ±m d (scale + 0.5) / 4.
const CODEBOOK_WORDS: u32 = 512u;
const HAS_HALVES: bool = false;
#include "formats/common_scales.wgsl"
#include "formats/even_signs.wgsl"
#include "formats/signed_eights.wgsl"

fn load_common(block: u32) -> vec4<u32> {
    return vec4<u32>(scales[CODEBOOK_WORDS + (block >> 3u)], 0u, 0u, 0u);
}

fn signed_of(words: vec2<u32>, own: u32, scale_words: vec4<u32>, block: u32) -> Signed {
    let scale = 0.25 * unpack2x16float(scale_words.x).x * (f32(spare_bits(words.y)) + 0.5);
    return signed_eights(four_bytes(words.x), even_signs(words.y), vec2<f32>(scale));
}

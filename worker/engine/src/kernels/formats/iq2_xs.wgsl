// IQ2_XS: quants as in IQ2_XXS, but with the indices' ninth bits in the signs' spare bits; three words of scales per
// eight blocks, see `iq2_scales.wgsl`; w = ±m d (scale + 0.5) / 4.
const CODEBOOK_WORDS: u32 = 1024u;
const HAS_HALVES: bool = true;
#include "formats/common_scales.wgsl"
#include "formats/even_signs.wgsl"
#include "formats/iq2_scales.wgsl"
#include "formats/signed_eights.wgsl"

fn load_common(block: u32) -> vec4<u32> {
    let base = CODEBOOK_WORDS + (block >> 3u) * 3u;
    return vec4<u32>(scales[base + ((block & 7u) >> 2u)], scales[base + 2u], 0u, 0u);
}

fn signed_of(words: vec2<u32>, own: u32, scale_words: vec4<u32>, block: u32) -> Signed {
    let spare = spare_bits(words.y);
    let high = vec4<u32>(spare << 8u, spare << 7u, spare << 6u, spare << 5u) & vec4<u32>(0x100u);
    let scale = half_scales(scale_words.x, scale_words.y, block);
    return signed_eights(four_bytes(words.x) | high, even_signs(words.y), scale);
}

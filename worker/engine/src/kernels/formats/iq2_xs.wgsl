// IQ2_XS: quants as in IQ2_XXS, but with the indices' ninth bits in the signs' spare bits; for the three words of
// scales per eight blocks see `iq2_scales.wgsl`; w = ±m d (scale + 0.5) / 4.
const CODEBOOK_WORDS: u32 = 1024u;
#include "formats/signed_block.wgsl"
#include "formats/even_signs.wgsl"
#include "formats/iq2_scales.wgsl"
#include "formats/two_words.wgsl"

fn load_block(block: u32) -> Block {
    let q = load_words(block);
    let scale = half_scales(CODEBOOK_WORDS + (block >> 3u) * 3u, block & 7u);
    let spare = spare_bits(q.y);
    let high = vec4<u32>(spare << 8u, spare << 7u, spare << 6u, spare << 5u) & vec4<u32>(0x100u);
    return signed_eights(four_bytes(q.x) | high, even_signs(q.y), scale);
}

// IQ2_XXS: quants hold two words per block: four bytes, which index the codebook, and signs with a scale in their spare
// bits; a word of scales per eight blocks, f16 d; w = ±m d (scale + 0.5) / 4.
const CODEBOOK_WORDS: u32 = 512u;
#include "formats/signed_block.wgsl"
#include "formats/even_signs.wgsl"
#include "formats/two_words.wgsl"

fn load_block(block: u32) -> Block {
    let q = load_words(block);
    let d = unpack2x16float(scales[CODEBOOK_WORDS + (block >> 3u)]).x;
    let scale = 0.25 * d * (f32(spare_bits(q.y)) + 0.5);
    return signed_eights(four_bytes(q.x), even_signs(q.y), vec2<f32>(scale));
}

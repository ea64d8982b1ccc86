// IQ3_XXS: quants hold two words per block, eight bytes, which index the codebook; nine words of scales per eight
// blocks: signs of each with a scale in their spare bits, f16 d; w = ±m d (scale + 0.5) / 2.
const CODEBOOK_WORDS: u32 = 256u;
#include "formats/signed_block.wgsl"
#include "formats/even_signs.wgsl"
#include "formats/two_words.wgsl"

fn load_block(block: u32) -> Block {
    let q = load_words(block);
    let base = CODEBOOK_WORDS + (block >> 3u) * 9u;
    let signs = scales[base + (block & 7u)];
    let d = unpack2x16float(scales[base + 8u]).x;
    let scale = 0.5 * d * (f32(spare_bits(signs)) + 0.5);
    return signed_fours(four_bytes(q.x), four_bytes(q.y), even_signs(signs), vec2<f32>(scale));
}

// IQ2_S: quants hold two words per block: the low bytes of four indices, and signs; five words of scales per eight
// blocks: two with the high bits of the indices (a byte per block, two bits per index), the rest as in
// `iq2_scales.wgsl`; w = ±m d (scale + 0.5) / 4.
const CODEBOOK_WORDS: u32 = 2048u;
#include "formats/signed_block.wgsl"
#include "formats/iq2_scales.wgsl"
#include "formats/two_words.wgsl"

fn load_block(block: u32) -> Block {
    let q = load_words(block);
    let base = CODEBOOK_WORDS + (block >> 3u) * 5u;
    let i = block & 7u;
    let bits = scales[base + (i >> 2u)] >> (8u * (i & 3u));
    let high = vec4<u32>(bits << 8u, bits << 6u, bits << 4u, bits << 2u) & vec4<u32>(0x300u);
    return signed_eights(four_bytes(q.x) | high, q.y, half_scales(base + 2u, i));
}

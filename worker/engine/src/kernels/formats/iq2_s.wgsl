// IQ2_S: quants hold two words per block: the low bytes of four indices, and signs; five words of scales per eight
// blocks: two with the high bits of the indices (a byte per block, two bits per index), the rest as in
// `iq2_scales.wgsl`; w = ±m d (scale + 0.5) / 4.
const CODEBOOK_WORDS: u32 = 2048u;
const HAS_HALVES: bool = true;
#include "formats/common_scales.wgsl"
#include "formats/iq2_scales.wgsl"
#include "formats/signed_eights.wgsl"

fn load_common(block: u32) -> vec4<u32> {
    let base = CODEBOOK_WORDS + (block >> 3u) * 5u;
    let own = (block & 7u) >> 2u;
    return vec4<u32>(scales[base + own], scales[base + 2u + own], scales[base + 4u], 0u);
}

fn signed_of(words: vec2<u32>, own: u32, scale_words: vec4<u32>, block: u32) -> Signed {
    let bits = scale_words.x >> (8u * (block & 3u));
    let high = vec4<u32>(bits << 8u, bits << 6u, bits << 4u, bits << 2u) & vec4<u32>(0x300u);
    return signed_eights(four_bytes(words.x) | high, words.y, half_scales(scale_words.y, scale_words.z, block));
}

// IQ3_S: quants hold two words per block, the low bytes of eight indices; twelve words of scales per eight blocks:
// signs of each, two words with the indices' ninth bits (a byte per block), one with four bits of scale per block, f16
// d; w = ±m d (2 scale + 1).
const CODEBOOK_WORDS: u32 = 512u;
const HAS_HALVES: bool = false;
#include "formats/signed_fours.wgsl"

// Its signs.
fn load_own(block: u32) -> u32 {
    return scales[CODEBOOK_WORDS + (block >> 3u) * 12u + (block & 7u)];
}

fn load_common(block: u32) -> vec4<u32> {
    let base = CODEBOOK_WORDS + (block >> 3u) * 12u;
    return vec4<u32>(scales[base + 8u + ((block & 7u) >> 2u)], scales[base + 10u], scales[base + 11u], 0u);
}

fn signed_of(words: vec2<u32>, own: u32, scale_words: vec4<u32>, block: u32) -> Signed {
    let bits = scale_words.x >> (8u * (block & 3u));
    let first = vec4<u32>(bits << 8u, bits << 7u, bits << 6u, bits << 5u) & vec4<u32>(0x100u);
    let second = vec4<u32>(bits << 4u, bits << 3u, bits << 2u, bits << 1u) & vec4<u32>(0x100u);
    let scale = unpack2x16float(scale_words.z).x * f32(2u * ((scale_words.y >> (4u * (block & 7u))) & 15u) + 1u);
    return signed_fours(four_bytes(words.x) | first, four_bytes(words.y) | second, own, vec2<f32>(scale));
}

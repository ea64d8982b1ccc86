// IQ3_S: quants hold two words per block, the low bytes of eight indices; twelve words of scales per eight blocks:
// signs of each, two words with the indices' ninth bits (a byte per block), one with four bits of scale per block, f16
// d; w = ±m d (2 scale + 1).
const CODEBOOK_WORDS: u32 = 512u;
#include "formats/signed_block.wgsl"
#include "formats/two_words.wgsl"

fn load_block(block: u32) -> Block {
    let q = load_words(block);
    let base = CODEBOOK_WORDS + (block >> 3u) * 12u;
    let i = block & 7u;
    let bits = scales[base + 8u + (i >> 2u)] >> (8u * (i & 3u));
    let first = vec4<u32>(bits << 8u, bits << 7u, bits << 6u, bits << 5u) & vec4<u32>(0x100u);
    let second = vec4<u32>(bits << 4u, bits << 3u, bits << 2u, bits << 1u) & vec4<u32>(0x100u);
    let scale = (scales[base + 10u] >> (4u * i)) & 15u;
    let d = unpack2x16float(scales[base + 11u]).x;
    return signed_fours(
        four_bytes(q.x) | first,
        four_bytes(q.y) | second,
        scales[base + i],
        vec2<f32>(d * f32(2u * scale + 1u)),
    );
}

// IQ1_M: for quants see `iq1_block.wgsl`; six words of scales per eight blocks: four with 16 bits for each (three bits
// per index and one that is set if 1/8 is subtracted), two with a 16-bit number per two blocks, whose upper four bits
// are a part of f16 d, the others three bits of scale for each half block; w = d (2 scale + 1) (q - 1 ± 1/8).
const HAS_HALVES: bool = true;
#include "formats/iq1_block.wgsl"

fn load_own(block: u32) -> u32 {
    return scales[CODEBOOK_WORDS + (block >> 3u) * 6u + ((block & 7u) >> 1u)];
}

fn load_common(block: u32) -> vec4<u32> {
    let base = CODEBOOK_WORDS + (block >> 3u) * 6u;
    return vec4<u32>(scales[base + 4u], scales[base + 5u], 0u, 0u);
}

fn shifts_of(own: u32, scale_words: vec4<u32>, block: u32) -> Shifts {
    let i = block & 7u;
    let bits = own >> (16u * (i & 1u));
    let parts = scale_words.xy;
    let first = ((parts >> vec2<u32>(12u)) & vec2<u32>(15u)) | ((parts >> vec2<u32>(24u)) & vec2<u32>(0xf0u));
    let d = unpack2x16float(first.x | (first.y << 8u)).x;
    let three_bits = select(parts.x, parts.y, i >= 4u) >> (8u * (i & 2u) + 6u * (i & 1u));
    let scale = d * vec2<f32>(f32(2u * (three_bits & 7u) + 1u), f32(2u * ((three_bits >> 3u) & 7u) + 1u));
    let is_lower = (vec4<u32>(bits) & vec4<u32>(8u, 0x80u, 0x800u, 0x8000u)) != vec4<u32>(0u);
    return Shifts(vec4<u32>(bits << 8u, bits << 4u, bits, bits >> 4u), scale, is_lower);
}

// IQ1_S: for quants see `iq1_block.wgsl`; five words of scales per eight blocks: 16 bits for each (three bits per
// index, three of scale, one that is set if 1/8 is subtracted), f16 d; w = d (2 scale + 1) (q - 1 ± 1/8).
const HAS_HALVES: bool = false;
#include "formats/iq1_block.wgsl"

fn load_own(block: u32) -> u32 {
    return scales[CODEBOOK_WORDS + (block >> 3u) * 5u + ((block & 7u) >> 1u)];
}

fn load_common(block: u32) -> vec4<u32> {
    return vec4<u32>(scales[CODEBOOK_WORDS + (block >> 3u) * 5u + 4u], 0u, 0u, 0u);
}

fn shifts_of(own: u32, scale_words: vec4<u32>, block: u32) -> Shifts {
    let bits = own >> (16u * (block & 1u));
    let scale = unpack2x16float(scale_words.x).x * f32(((bits >> 11u) & 14u) + 1u);
    let high = vec4<u32>(bits << 8u, bits << 5u, bits << 2u, bits >> 1u);
    return Shifts(high, vec2<f32>(scale), vec4<bool>((bits & 0x8000u) != 0u));
}

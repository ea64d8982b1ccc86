// IQ1_S: for quants see `iq1_block.wgsl`; five words of scales per eight blocks: 16 bits for each (three bits per
// index, three of scale, one that is set if 1/8 is subtracted), f16 d; w = d (2 scale + 1) (q - 1 ± 1/8).
const HAS_HALVES: bool = false;
#include "formats/iq1_block.wgsl"

fn load_head(block: u32) -> vec4<u32> {
    let base = CODEBOOK_WORDS + (block >> 3u) * 5u;
    return vec4<u32>(scales[base + ((block & 7u) >> 1u)], scales[base + 4u], 0u, 0u);
}

fn shifts_of(head: vec4<u32>, block: u32) -> Shifts {
    let own = head.x >> (16u * (block & 1u));
    let scale = unpack2x16float(head.y).x * f32(((own >> 11u) & 14u) + 1u);
    let high = vec4<u32>(own << 8u, own << 5u, own << 2u, own >> 1u);
    return Shifts(high, vec2<f32>(scale), vec4<bool>((own & 0x8000u) != 0u));
}

// IQ1_M: for quants see `iq1_block.wgsl`; six words of scales per eight blocks: four with 16 bits for each (three bits
// per index and one that is set if 1/8 is subtracted), two with a 16-bit number per two blocks, whose upper four bits
// are a part of f16 d, the others three bits of scale for each half block; w = d (2 scale + 1) (q - 1 ± 1/8).
const HAS_HALVES: bool = true;
#include "formats/iq1_block.wgsl"

fn load_head(block: u32) -> vec4<u32> {
    let base = CODEBOOK_WORDS + (block >> 3u) * 6u;
    return vec4<u32>(scales[base + ((block & 7u) >> 1u)], scales[base + 4u], scales[base + 5u], 0u);
}

fn shifts_of(head: vec4<u32>, block: u32) -> Shifts {
    let i = block & 7u;
    let own = head.x >> (16u * (i & 1u));
    let parts = head.yz;
    let first = ((parts >> vec2<u32>(12u)) & vec2<u32>(15u)) | ((parts >> vec2<u32>(24u)) & vec2<u32>(0xf0u));
    let d = unpack2x16float(first.x | (first.y << 8u)).x;
    let three_bits = select(parts.x, parts.y, i >= 4u) >> (8u * (i & 2u) + 6u * (i & 1u));
    let scale = d * vec2<f32>(f32(2u * (three_bits & 7u) + 1u), f32(2u * ((three_bits >> 3u) & 7u) + 1u));
    let is_lower = (vec4<u32>(own) & vec4<u32>(8u, 0x80u, 0x800u, 0x8000u)) != vec4<u32>(0u);
    return Shifts(vec4<u32>(own << 8u, own << 4u, own, own >> 4u), scale, is_lower);
}

// IQ1_M: for quants see `iq1_block.wgsl`; six words of scales per eight blocks: four with 16 bits for each (three bits
// per index and one that is set if 1/8 is subtracted), two with a 16-bit number per two blocks, whose upper four bits
// are a part of f16 d, the others three bits of scale for each half block; w = d (2 scale + 1) (q - 1 ± 1/8).
#include "formats/iq1_block.wgsl"

fn load_block(block: u32) -> Block {
    let base = CODEBOOK_WORDS + (block >> 3u) * 6u;
    let i = block & 7u;
    let own = scales[base + (i >> 1u)] >> (16u * (i & 1u));
    let parts = vec2<u32>(scales[base + 4u], scales[base + 5u]);
    let first = ((parts >> vec2<u32>(12u)) & vec2<u32>(15u)) | ((parts >> vec2<u32>(24u)) & vec2<u32>(0xf0u));
    let d = unpack2x16float(first.x | (first.y << 8u)).x;
    let three_bits = select(parts.x, parts.y, i >= 4u) >> (8u * (i & 2u) + 6u * (i & 1u));
    let scale = d * vec2<f32>(f32(2u * (three_bits & 7u) + 1u), f32(2u * ((three_bits >> 3u) & 7u) + 1u));
    let is_lower = (vec4<u32>(own) & vec4<u32>(8u, 0x80u, 0x800u, 0x8000u)) != vec4<u32>(0u);
    let offset = scale.xxyy * select(vec4<f32>(-0.875), vec4<f32>(-1.125), is_lower);
    let high = vec4<u32>(own << 8u, own << 4u, own, own >> 4u);
    return iq1_block(block, high, scale, offset);
}

// IQ1_S: for quants see `iq1_block.wgsl`; five words of scales per eight blocks: 16 bits for each (three bits per
// index, three of scale, one that is set if 1/8 is subtracted), f16 d; w = d (2 scale + 1) (q - 1 ± 1/8).
#include "formats/iq1_block.wgsl"

fn load_block(block: u32) -> Block {
    let base = CODEBOOK_WORDS + (block >> 3u) * 5u;
    let i = block & 7u;
    let own = scales[base + (i >> 1u)] >> (16u * (i & 1u));
    let scale = unpack2x16float(scales[base + 4u]).x * f32(((own >> 11u) & 14u) + 1u);
    let offset = scale * select(-0.875, -1.125, (own & 0x8000u) != 0u);
    let high = vec4<u32>(own << 8u, own << 5u, own << 2u, own >> 1u);
    return iq1_block(block, high, vec2<f32>(scale), vec4<f32>(offset));
}

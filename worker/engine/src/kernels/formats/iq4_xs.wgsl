// IQ4_XS: quants as in IQ4_NL; two words of scales per eight blocks: f16 d and the scales' high two bits (upper half),
// then their low four bits; w = d (scale - 32) table[q].
#include "formats/iq4_block.wgsl"

fn load_block(block: u32) -> Block {
    let base = (block >> 3u) * 2u;
    let i = block & 7u;
    let word = scales[base];
    let scale = ((scales[base + 1u] >> (4u * i)) & 15u) | (((word >> (16u + 2u * i)) & 3u) << 4u);
    return table_block(quants[block], unpack2x16float(word).x * (f32(scale) - 32.0));
}

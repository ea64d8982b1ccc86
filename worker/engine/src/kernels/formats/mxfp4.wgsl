// MXFP4: quants as in Q4_0, as 4-bit floats, which are doubled here; scales hold a byte per block, the exponent of
// twice the scale (OCP Microscaling Formats 1.0).
#include "formats/fp4_table.wgsl"
#include "formats/table_block.wgsl"

fn load_block(block: u32) -> Block {
    let exponent = (scales[block >> 2u] >> (8u * (block & 3u))) & 0xffu;
    // Half of 2^(exponent - 127); the two smallest are subnormal.
    let bits = select((exponent - 1u) << 23u, 0x00200000u << exponent, exponent < 2u);
    return table_block(quants[block], bitcast<f32>(bits));
}

// MXFP4: quants as in Q4_0, as 4-bit floats, which are doubled here; scales hold a byte per block, the exponent of
// twice the scale (OCP Microscaling Formats 1.0).
const TABLE = array<f32, 16>(
    0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 0.0, -1.0, -2.0, -3.0, -4.0, -6.0, -8.0, -12.0
);
#include "formats/table_block.wgsl"

fn load_block(block: u32) -> Block {
    let exponent = (scales[block >> 2u] >> (8u * (block & 3u))) & 0xffu;
    // Half of 2^(exponent - 127); the two smallest are subnormal.
    let bits = select((exponent - 1u) << 23u, 0x00200000u << exponent, exponent < 2u);
    return table_block(quants[block], bitcast<f32>(bits));
}

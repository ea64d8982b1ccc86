// MXFP4: quants as in Q4_0, as 4-bit floats, which are doubled here; scales hold a byte per block, the exponent of
// twice the scale (OCP Microscaling Formats 1.0).
#include "formats/block.wgsl"
#include "formats/fp4_quad.wgsl"

fn load_block(block: u32) -> Block {
    let q = quants[block];
    let exponent = (scales[block >> 2u] >> (8u * (block & 3u))) & 0xffu;
    // Half of 2^(exponent - 127); the two smallest are subnormal.
    let scale = bitcast<f32>(select((exponent - 1u) << 23u, 0x00200000u << exponent, exponent < 2u));
    // 64 times the largest scale would be infinite.
    return Block(
        (fp4_quad(q.x) * BYTE_SCALE - 64.0) * scale,
        (fp4_quad(q.y) * BYTE_SCALE - 64.0) * scale,
        (fp4_quad(q.z) * BYTE_SCALE - 64.0) * scale,
        (fp4_quad(q.w) * BYTE_SCALE - 64.0) * scale,
        (fp4_quad(q.x >> 4u) * BYTE_SCALE - 64.0) * scale,
        (fp4_quad(q.y >> 4u) * BYTE_SCALE - 64.0) * scale,
        (fp4_quad(q.z >> 4u) * BYTE_SCALE - 64.0) * scale,
        (fp4_quad(q.w >> 4u) * BYTE_SCALE - 64.0) * scale,
    );
}

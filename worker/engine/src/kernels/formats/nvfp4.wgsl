// NVFP4: a vec4 of quants per block (eight bytes per half block: byte i has weight i low, weight i + 8 high), as 4-bit
// floats, which are doubled here; scales hold a byte per half block, twice the scale as an unsigned 8-bit float with
// four bits of exponent (E4M3).
#include "formats/block.wgsl"
#include "formats/fp4_quad.wgsl"

// Half of an E4M3 float; NaN counts as zero.
fn half_of_e4m3(byte: u32) -> f32 {
    let bits = byte & 0x7fu;
    let normal = bitcast<f32>((bits << 20u) + (119u << 23u));
    let value = select(normal, f32(bits) * 0x1p-10, bits < 8u);
    return select(value, 0.0, byte == 0x7fu);
}

fn load_block(block: u32) -> Block {
    let q = quants[block];
    let own = scales[block >> 1u] >> (16u * (block & 1u));
    let d = vec2<f32>(half_of_e4m3(own & 0xffu), half_of_e4m3((own >> 8u) & 0xffu));
    let s0 = d.x * BYTE_SCALE;
    let s1 = d.y * BYTE_SCALE;
    let m0 = vec4<f32>(64.0 * d.x);
    let m1 = vec4<f32>(64.0 * d.y);
    return Block(
        fp4_quad(q.x) * s0 - m0,
        fp4_quad(q.y) * s0 - m0,
        fp4_quad(q.x >> 4u) * s0 - m0,
        fp4_quad(q.y >> 4u) * s0 - m0,
        fp4_quad(q.z) * s1 - m1,
        fp4_quad(q.w) * s1 - m1,
        fp4_quad(q.z >> 4u) * s1 - m1,
        fp4_quad(q.w >> 4u) * s1 - m1,
    );
}

// NVFP4: a vec4 of quants per block (eight bytes per half block: byte i has weight i low, weight i + 8 high), as 4-bit
// floats, which are doubled here; scales hold a byte per half block, twice the scale as an unsigned 8-bit float with
// four bits of exponent (E4M3).
#include "formats/fp4_table.wgsl"
#include "formats/table_block.wgsl"

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
    let s0 = half_of_e4m3(own & 0xffu);
    let s1 = half_of_e4m3((own >> 8u) & 0xffu);
    return Block(
        table_values(q.x) * s0,
        table_values(q.y) * s0,
        table_values(q.x >> 4u) * s0,
        table_values(q.y >> 4u) * s0,
        table_values(q.z) * s1,
        table_values(q.w) * s1,
        table_values(q.z >> 4u) * s1,
        table_values(q.w >> 4u) * s1,
    );
}

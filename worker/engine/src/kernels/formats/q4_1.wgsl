// Q4_1: quants as Q4_0; one word of scales a block (f16 d low, f16 m high); w = d q + m.
#include "formats/block.wgsl"
#include "formats/nibbles.wgsl"

fn load_block(block: u32) -> Block {
    let q = quants[block];
    let scales_of_block = unpack2x16float(scales[block]);
    let scale = scales_of_block.x * BYTE_SCALE;
    let m = vec4<f32>(scales_of_block.y);
    return Block(
        low_nibbles(q.x) * scale + m,
        low_nibbles(q.y) * scale + m,
        low_nibbles(q.z) * scale + m,
        low_nibbles(q.w) * scale + m,
        high_nibbles(q.x) * scale + m,
        high_nibbles(q.y) * scale + m,
        high_nibbles(q.z) * scale + m,
        high_nibbles(q.w) * scale + m,
    );
}

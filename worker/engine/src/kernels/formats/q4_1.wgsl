// Q4_1: quants as Q4_0; one word of scales a block (f16 d low, f16 m high); w = d q + m.
#include "formats/block.wgsl"
#include "formats/nibbles.wgsl"

fn load_block(block: u32) -> Block {
    let q = quants[block];
    let scale = unpack2x16float(scales[block]);
    let m = vec4<f32>(scale.y);
    return Block(
        low_nibbles(q.x) * scale.x + m,
        low_nibbles(q.y) * scale.x + m,
        low_nibbles(q.z) * scale.x + m,
        low_nibbles(q.w) * scale.x + m,
        high_nibbles(q.x) * scale.x + m,
        high_nibbles(q.y) * scale.x + m,
        high_nibbles(q.z) * scale.x + m,
        high_nibbles(q.w) * scale.x + m,
    );
}

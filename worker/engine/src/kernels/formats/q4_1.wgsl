// Q4_1: quants as in Q4_0; one word of scales per block (f16 d low, f16 m high); w = d q + m.
#include "formats/block.wgsl"
#include "formats/nibbles.wgsl"
#include "formats/integers.wgsl"

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

fn load_integers(block: u32) -> Integers {
    let scales_of_block = unpack2x16float(scales[block]);
    return nibble_integers(quants[block], scales_of_block.x, scales_of_block.y);
}

// Q4_0: quants hold one vec4 per block (16 bytes; byte i has weight i low, weight i + 16 high); w = d (q - 8).
#include "formats/block.wgsl"
#include "formats/nibbles.wgsl"
#include "formats/half_scale.wgsl"
#include "formats/integers.wgsl"

fn load_block(block: u32) -> Block {
    let q = quants[block];
    let d = load_scale(block);
    let scale = d * BYTE_SCALE;
    let offset = vec4<f32>(8.0 * d);
    return Block(
        low_nibbles(q.x) * scale - offset,
        low_nibbles(q.y) * scale - offset,
        low_nibbles(q.z) * scale - offset,
        low_nibbles(q.w) * scale - offset,
        high_nibbles(q.x) * scale - offset,
        high_nibbles(q.y) * scale - offset,
        high_nibbles(q.z) * scale - offset,
        high_nibbles(q.w) * scale - offset,
    );
}

fn load_integers(block: u32) -> Integers {
    let d = load_scale(block);
    return nibble_integers(quants[block], d, -8.0 * d);
}

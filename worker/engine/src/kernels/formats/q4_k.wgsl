// Q4_K: quants as in Q4_0; for scales see `k_scales.wgsl`; w = d scale q - dmin minimum.
const SCALE_WORDS: u32 = 4u;
#include "formats/block.wgsl"
#include "formats/nibbles.wgsl"
#include "formats/k_scales.wgsl"
#include "formats/integers.wgsl"

fn load_block(block: u32) -> Block {
    let q = quants[block];
    let scale_min = scale_and_min(block);
    let scale = scale_min.x * BYTE_SCALE;
    let m = vec4<f32>(scale_min.y);
    return Block(
        low_nibbles(q.x) * scale - m,
        low_nibbles(q.y) * scale - m,
        low_nibbles(q.z) * scale - m,
        low_nibbles(q.w) * scale - m,
        high_nibbles(q.x) * scale - m,
        high_nibbles(q.y) * scale - m,
        high_nibbles(q.z) * scale - m,
        high_nibbles(q.w) * scale - m,
    );
}

fn load_integers(block: u32) -> Integers {
    let scale_min = scale_and_min(block);
    return nibble_integers(quants[block], scale_min.x, -scale_min.y);
}

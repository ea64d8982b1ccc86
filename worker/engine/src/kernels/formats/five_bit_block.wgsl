// 32 weights of five bits: w = q * scale - offset.
#include "formats/block.wgsl"
#include "formats/high_bits.wgsl"

fn five_bit_block(q: vec4<u32>, high: u32, scale: f32, offset: f32) -> Block {
    let s = scale * BYTE_SCALE;
    let m = vec4<f32>(offset);
    return Block(
        five_bits(q.x, high) * s - m,
        five_bits(q.y, high >> 1u) * s - m,
        five_bits(q.z, high >> 2u) * s - m,
        five_bits(q.w, high >> 3u) * s - m,
        five_bits(q.x >> 4u, high >> 4u) * s - m,
        five_bits(q.y >> 4u, high >> 5u) * s - m,
        five_bits(q.z >> 4u, high >> 6u) * s - m,
        five_bits(q.w >> 4u, high >> 7u) * s - m,
    );
}

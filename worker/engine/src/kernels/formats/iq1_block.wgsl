// 32 weights of IQ1_S and IQ1_M, whose quants hold a word per block, the low bytes of four indices. The codebook
// precedes the scales: a word per eight weights of -1, 0 or 1, as nibbles that are one larger, as in Q4_0: w = scale (q
// - 1 ± 1/8).
const CODEBOOK_WORDS: u32 = 2048u;
#include "formats/block.wgsl"
#include "formats/nibbles.wgsl"
#include "formats/one_word.wgsl"

// `high` has three more bits of each index, from bit 8 on. A scale for either half; `offset` is added to every eight
// weights.
fn iq1_block(block: u32, high: vec4<u32>, scale: vec2<f32>, offset: vec4<f32>) -> Block {
    let word = load_word(block);
    let low = vec4<u32>(word & 0xffu, (word >> 8u) & 0xffu, (word >> 16u) & 0xffu, word >> 24u);
    let index = low | (high & vec4<u32>(0x700u));
    let a = scales[index.x];
    let b = scales[index.y];
    let c = scales[index.z];
    let d = scales[index.w];
    let s0 = scale.x * BYTE_SCALE;
    let s1 = scale.y * BYTE_SCALE;
    return Block(
        low_nibbles(a) * s0 + offset.x,
        high_nibbles(a) * s0 + offset.x,
        low_nibbles(b) * s0 + offset.y,
        high_nibbles(b) * s0 + offset.y,
        low_nibbles(c) * s1 + offset.z,
        high_nibbles(c) * s1 + offset.z,
        low_nibbles(d) * s1 + offset.w,
        high_nibbles(d) * s1 + offset.w,
    );
}

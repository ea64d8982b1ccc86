// 32 weights of IQ1_S and IQ1_M, whose quants hold a word per block, the low bytes of four indices. The codebook
// precedes the scales: a word per eight weights of -1, 0 or 1, plus one: byte i has weight i from bit 3 on, weight i + 4
// from bit 5 on; w = scale (q - 1 ± 1/8). The format defines `shifts_of`, what the words of `load_own` and `load_common`
// say.
const CODEBOOK_WORDS: u32 = 2048u;
// Integers are 8 (q - 1 ± 1/8), and this.
const CENTRE: i32 = 9;
#include "formats/block.wgsl"
#include "formats/codes.wgsl"
#include "formats/entries_of_one_word.wgsl"
#include "formats/nibbles.wgsl"
#include "formats/one_word.wgsl"

// How the entries of a block become weights.
struct Shifts {
    // Three more bits of each index, from bit 8 on; other bits do not matter.
    high: vec4<u32>,
    // A scale for either half.
    scale: vec2<f32>,
    // Whether 1/8 is subtracted from the weights of an entry, or added.
    is_lower: vec4<bool>,
}

// The weights of four bytes plus one, times eight; to be multiplied by BYTE_SCALE.
fn four_eighths(entry: u32) -> vec4<f32> {
    return vec4<f32>(vec4<i32>(vec4<u32>(entry) & vec4<u32>(0x18u, 0x1800u, 0x180000u, 0x18000000u)));
}

// The entries of a block, by the low bytes of their indices.
fn entries(word: u32, high: vec4<u32>) -> vec4<u32> {
    let low = vec4<u32>(word & 0xffu, (word >> 8u) & 0xffu, (word >> 16u) & 0xffu, word >> 24u);
    let index = low | (high & vec4<u32>(0x700u));
    return vec4<u32>(load_entry(index.x), load_entry(index.y), load_entry(index.z), load_entry(index.w));
}

fn load_block(block: u32) -> Block {
    let shifts = shifts_of(load_own(block), load_common(block), block);
    let q = entries(load_word(block), shifts.high);
    let offset = shifts.scale.xxyy * select(vec4<f32>(-0.875), vec4<f32>(-1.125), shifts.is_lower);
    let s0 = 0.125 * shifts.scale.x * BYTE_SCALE;
    let s1 = 0.125 * shifts.scale.y * BYTE_SCALE;
    return Block(
        four_eighths(q.x) * s0 + offset.x,
        four_eighths(q.x >> 2u) * s0 + offset.x,
        four_eighths(q.y) * s0 + offset.y,
        four_eighths(q.y >> 2u) * s0 + offset.y,
        four_eighths(q.z) * s1 + offset.z,
        four_eighths(q.z >> 2u) * s1 + offset.z,
        four_eighths(q.w) * s1 + offset.w,
        four_eighths(q.w >> 2u) * s1 + offset.w,
    );
}

fn codes_of(words: vec2<u32>, own: u32, scale_words: vec4<u32>, block: u32) -> Codes {
    let shifts = shifts_of(own, scale_words, block);
    let q = entries(words.x, shifts.high);
    let lift = select(vec4<u32>(0x02020202u), vec4<u32>(0u), shifts.is_lower);
    let low = (q & vec4<u32>(0x18181818u)) | lift;
    let high = ((q >> vec4<u32>(2u)) & vec4<u32>(0x18181818u)) | lift;
    return Codes(
        vec4<u32>(low.x, high.x, low.y, high.y),
        vec4<u32>(low.z, high.z, low.w, high.w),
        0.125 * shifts.scale,
    );
}

// Quants whose low bits are in nibbles or pairs of bits and whose high bits are in a separate word. The four weights of
// group k of a block have theirs in the word's four bytes, starting at bit k (or 2k, for two bits).
#include "formats/nibbles.wgsl"

// Bytes of up to six bits each.
fn small_bytes(word: u32) -> vec4<f32> {
    return vec4<f32>(vec4<i32>(vec4<u32>(word) & vec4<u32>(0x3fu, 0x3f00u, 0x3f0000u, 0x3f000000u)));
}

// Low nibbles with one bit above them.
fn five_bits(nibbles: u32, high: u32) -> vec4<f32> {
    return small_bytes((nibbles & 0x0f0f0f0fu) | ((high & 0x01010101u) << 4u));
}

// Low nibbles with two bits above them.
fn six_bits(nibbles: u32, high: u32) -> vec4<f32> {
    return small_bytes((nibbles & 0x0f0f0f0fu) | ((high & 0x03030303u) << 4u));
}

// Two bits with one bit above them.
fn three_bits(low: u32, high: u32) -> vec4<f32> {
    return small_bytes((low & 0x03030303u) | ((high & 0x01010101u) << 2u));
}

fn two_bits(low: u32) -> vec4<f32> {
    return small_bytes(low & 0x03030303u);
}

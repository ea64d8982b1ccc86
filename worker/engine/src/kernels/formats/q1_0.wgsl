// Q1_0: quants hold a word per block (weight i in bit i); a f16 d per four blocks; w = d if the bit is set, else -d.
#include "formats/block.wgsl"
#include "formats/half_scale.wgsl"
#include "formats/one_word.wgsl"

// The weights of bits 0 to 3, from the bits of -d.
fn four_signs(bits: u32, minus: u32) -> vec4<f32> {
    let signs = vec4<u32>(bits << 31u, bits << 30u, bits << 29u, bits << 28u) & vec4<u32>(0x80000000u);
    return bitcast<vec4<f32>>(vec4<u32>(minus) ^ signs);
}

fn load_block(block: u32) -> Block {
    let q = load_word(block);
    let minus = bitcast<u32>(-load_scale(block >> 2u));
    return Block(
        four_signs(q, minus),
        four_signs(q >> 4u, minus),
        four_signs(q >> 8u, minus),
        four_signs(q >> 12u, minus),
        four_signs(q >> 16u, minus),
        four_signs(q >> 20u, minus),
        four_signs(q >> 24u, minus),
        four_signs(q >> 28u, minus),
    );
}

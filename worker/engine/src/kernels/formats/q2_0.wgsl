// Q2_0: quants as in Q3_K; a f16 d per two blocks; w = d (q - 1).
#include "formats/two_bit_block.wgsl"
#include "formats/two_words.wgsl"
#include "formats/half_scale.wgsl"

fn load_block(block: u32) -> Block {
    let d = vec2<f32>(load_scale(block >> 1u));
    return two_bit_block(load_words(block), d, d);
}

// Q5_1: quants as in Q4_0; two words of scales per block (high bits; f16 d low, f16 m high); w = d q + m.
#include "formats/five_bit_block.wgsl"
#include "formats/integers.wgsl"

fn load_block(block: u32) -> Block {
    let scales_of_block = unpack2x16float(scales[2u * block + 1u]);
    return five_bit_block(quants[block], scales[2u * block], scales_of_block.x, -scales_of_block.y);
}

fn load_integers(block: u32) -> Integers {
    let scales_of_block = unpack2x16float(scales[2u * block + 1u]);
    return five_bit_integers(quants[block], scales[2u * block], scales_of_block.x, scales_of_block.y);
}

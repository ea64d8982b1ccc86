// Q5_0: quants as in Q4_0; three words of scales per two blocks (high bits of each, then both f16 d); w = d (q - 16).
#include "formats/five_bit_block.wgsl"
#include "formats/integers.wgsl"

fn load_block(block: u32) -> Block {
    let base = (block >> 1u) * 3u;
    let pair = unpack2x16float(scales[base + 2u]);
    let odd = block & 1u;
    let d = select(pair.x, pair.y, odd == 1u);
    return five_bit_block(quants[block], scales[base + odd], d, 16.0 * d);
}

fn load_integers(block: u32) -> Integers {
    let base = (block >> 1u) * 3u;
    let pair = unpack2x16float(scales[base + 2u]);
    let odd = block & 1u;
    let d = select(pair.x, pair.y, odd == 1u);
    return five_bit_integers(quants[block], scales[base + odd], d, -16.0 * d);
}

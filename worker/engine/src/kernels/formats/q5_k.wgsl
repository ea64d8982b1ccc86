// Q5_K: as Q4_K, with a word of high bits for each of eight blocks after the four words of scales.
const SCALE_WORDS: u32 = 12u;
#include "formats/five_bit_block.wgsl"
#include "formats/k_scales.wgsl"
#include "formats/integers.wgsl"

fn load_block(block: u32) -> Block {
    let high = scales[(block >> 3u) * SCALE_WORDS + 4u + (block & 7u)];
    let scale_min = scale_and_min(block);
    return five_bit_block(quants[block], high, scale_min.x, scale_min.y);
}

fn load_integers(block: u32) -> Integers {
    let high = scales[(block >> 3u) * SCALE_WORDS + 4u + (block & 7u)];
    let scale_min = scale_and_min(block);
    return five_bit_integers(quants[block], high, scale_min.x, -scale_min.y);
}

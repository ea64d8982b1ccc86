// TQ1_0 and TQ2_0: quants as in Q3_K; a word of scales per eight blocks, f16 d; w = d (q - 1).
#include "formats/two_bit_block.wgsl"
#include "formats/two_words.wgsl"

fn load_block(block: u32) -> Block {
    let d = unpack2x16float(scales[block >> 3u]).xx;
    return two_bit_block(load_words(block), d, d);
}

// IQ4_NL: quants as in Q4_0, as indices into a table; w = d table[q].
#include "formats/iq4_block.wgsl"
#include "formats/half_scale.wgsl"

fn load_block(block: u32) -> Block {
    return table_block(quants[block], load_scale(block));
}

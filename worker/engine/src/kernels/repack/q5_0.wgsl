// Q5_0: two blocks, each with an f16, a word of high bits and four words of quants.
#include "repack/put_scales.wgsl"
#include "repack/spread_bits.wgsl"

fn repack(at: u32, group: u32) {
    for (var block = 0u; block < 2u; block++) {
        let start = at + 22u * block;
        put_scales(group, block, spread_bits(file_word(start + 2u)));
        copy_quants(start + 6u, group, 4u * block, 4u);
    }
    put_scales(group, 2u, file_halves(at, at + 22u));
}

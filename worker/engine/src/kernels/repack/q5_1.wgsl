// Q5_1: two f16, a word of high bits, four words of quants.
#include "repack/put_scales.wgsl"
#include "repack/spread_bits.wgsl"

fn repack(at: u32, group: u32) {
    put_scales(group, 0u, spread_bits(file_word(at + 4u)));
    put_scales(group, 1u, file_word(at));
    copy_quants(at + 8u, group, 0u, 4u);
}

// Q2_K: 16 bytes of scales and minimums, 64 bytes of pairs of bits, f16 d and dmin.
#include "repack/put_scales.wgsl"
#include "repack/pairs_of_bits.wgsl"

fn repack(at: u32, group: u32) {
    for (var i = 0u; i < 16u; i++) {
        put_quants(group, i, pairs_of_bits(at + 16u, i));
    }
    copy_scales(at, group, 0u, 4u);
    put_scales(group, 4u, file_word(at + 80u));
}

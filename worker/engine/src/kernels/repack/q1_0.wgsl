// Q1_0: two blocks, each with an f16 and four words of bits.
#include "repack/put_scales.wgsl"
#include "repack/spread_bits.wgsl"

fn repack(at: u32, group: u32) {
    put_scales(group, 0u, file_halves(at, at + 18u));
    for (var i = 0u; i < 8u; i++) {
        put_quants(group, i, spread_bits(file_word(at + 18u * (i >> 2u) + 2u + 4u * (i & 3u))));
    }
}

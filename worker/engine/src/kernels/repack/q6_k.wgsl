// Q6_K: two halves of 64 bytes of nibbles, 64 bytes of pairs of high bits, 16 signed scales, f16 d. In either half, 32
// bytes hold one block low and the second block after it high.
#include "repack/put_scales.wgsl"
#include "repack/nibbles.wgsl"
#include "repack/pairs_of_bits.wgsl"

fn repack(at: u32, group: u32) {
    for (var i = 0u; i < 16u; i++) {
        let block = 4u * (i >> 3u) + ((i >> 2u) & 1u);
        let k = i & 3u;
        let start = at + 32u * (i >> 2u) + 4u * k;
        let first = file_word(start);
        let second = file_word(start + 16u);
        put_quants(group, 4u * block + k, low_block(first, second));
        put_quants(group, 4u * (block + 2u) + k, high_block(first, second));
        put_scales(group, i, pairs_of_bits(at + 128u, i));
    }
    copy_scales(at + 192u, group, 16u, 4u);
    put_half(at + 208u, group, 20u);
}

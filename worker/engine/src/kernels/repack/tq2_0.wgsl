// TQ2_0: 64 bytes of pairs of bits, f16 d.
#include "repack/put_scales.wgsl"
#include "repack/pairs_of_bits.wgsl"

fn repack(at: u32, group: u32) {
    for (var i = 0u; i < 16u; i++) {
        put_quants(group, i, pairs_of_bits(at, i));
    }
    put_half(at + 64u, group, 0u);
}

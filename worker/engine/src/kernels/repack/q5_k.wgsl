// Q5_K: as Q4_K, with 32 bytes of high bits before the nibbles.
#include "repack/k_blocks.wgsl"
#include "repack/eight_bits.wgsl"

fn repack(at: u32, group: u32) {
    put_k_scales(at, group);
    for (var block = 0u; block < 8u; block++) {
        put_scales(group, 4u + block, bits_of_block(at + 16u, block));
    }
    put_k_nibbles(at + 48u, group);
}

// Q4_K: f16 d and dmin, 12 bytes of scales and minimums, 128 bytes of nibbles.
#include "repack/k_blocks.wgsl"

fn repack(at: u32, group: u32) {
    put_k_scales(at, group);
    put_k_nibbles(at + 16u, group);
}

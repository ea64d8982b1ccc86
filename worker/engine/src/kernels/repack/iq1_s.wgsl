// IQ1_S: f16 d, 32 bytes of indices, 16 bits per block.
#include "repack/put_scales.wgsl"

fn repack(at: u32, group: u32) {
    copy_quants(at + 2u, group, 0u, 8u);
    copy_scales(at + 34u, group, 0u, 4u);
    put_half(at, group, 4u);
}

// Q4_1, IQ4_XS, NVFP4: words of scales, then words of quants.
#include "repack/put_scales.wgsl"

fn repack(at: u32, group: u32) {
    copy_scales(at, group, 0u, SCALE_WORDS);
    copy_quants(at + 4u * SCALE_WORDS, group, 0u, QUANT_WORDS);
}

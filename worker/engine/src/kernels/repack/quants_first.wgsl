// IQ1_M: words of quants, then words of scales.
#include "repack/put_scales.wgsl"

fn repack(at: u32, group: u32) {
    copy_quants(at, group, 0u, QUANT_WORDS);
    copy_scales(at + 4u * QUANT_WORDS, group, 0u, SCALE_WORDS);
}

// Q4_0, IQ4_NL, Q8_0: two blocks, each with an f16 and words of quants.
#include "repack/put_scales.wgsl"

fn repack(at: u32, group: u32) {
    const WORDS: u32 = QUANT_WORDS / 2u;
    let second = at + FILE_BYTES / 2u;
    put_scales(group, 0u, file_halves(at, second));
    copy_quants(at + 2u, group, 0u, WORDS);
    copy_quants(second + 2u, group, WORDS, WORDS);
}

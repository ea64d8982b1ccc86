// F32, F16, BF16: words are copied unchanged; no scales.
fn repack(at: u32, group: u32) {
    copy_quants(at, group, 0u, QUANT_WORDS);
}

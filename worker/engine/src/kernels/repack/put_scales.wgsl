fn put_scales(group: u32, index: u32, word: u32) {
    scales[CODEBOOK_WORDS + group * SCALE_WORDS + index] = word;
}

// A word with the f16 at byte `at`.
fn put_half(at: u32, group: u32, index: u32) {
    put_scales(group, index, file_word(at) & 0xffffu);
}

// Copies words of scales that kernels read in the file's layout.
fn copy_scales(at: u32, group: u32, index: u32, words: u32) {
    for (var i = 0u; i < words; i++) {
        put_scales(group, index + i, file_word(at + 4u * i));
    }
}

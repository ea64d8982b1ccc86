fn put_scales(group: u32, index: u32, word: u32) {
    scales[group * SCALE_WORDS + index] = word;
}

// Copies words of scales that kernels read in the file's layout.
fn copy_scales(at: u32, group: u32, index: u32, words: u32) {
    for (var i = 0u; i < words; i++) {
        put_scales(group, index + i, file_word(at + 4u * i));
    }
}

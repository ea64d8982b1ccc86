// The codebook that precedes the scales: CODEBOOK_WORDS words, as the format declares. With SHARED_CODEBOOK the
// workgroup works with a copy in its memory: threads that read different entries of a buffer wait for each other's cache
// lines.
#ifdef SHARED_CODEBOOK
// [CODEBOOK_WORDS / 2]
var<workgroup> codebook: array<vec2<u32>, CODEBOOK_WORDS / 2u>;

// Has to be followed by a barrier.
fn fill_codebook(thread: u32) {
    for (var i = thread; i < CODEBOOK_WORDS / 2u; i += WORKGROUP) {
        codebook[i] = vec2<u32>(scales[2u * i], scales[2u * i + 1u]);
    }
}

fn codebook_word(index: u32) -> u32 {
    return codebook[index >> 1u][index & 1u];
}

fn codebook_pair(index: u32) -> vec2<u32> {
    return codebook[index];
}
#else
fn codebook_word(index: u32) -> u32 {
    return scales[index];
}

fn codebook_pair(index: u32) -> vec2<u32> {
    return vec2<u32>(scales[2u * index], scales[2u * index + 1u]);
}
#endif

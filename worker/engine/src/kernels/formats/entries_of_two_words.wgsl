// A codebook whose entries are pairs of words; CODEBOOK_WORDS words, as the format declares.
alias Entry = vec2<u32>;
const CODEBOOK_ENTRIES: u32 = CODEBOOK_WORDS / 2u;
#include "formats/codebook.wgsl"

fn stored_entry(index: u32) -> vec2<u32> {
    return vec2<u32>(scales[2u * index], scales[2u * index + 1u]);
}

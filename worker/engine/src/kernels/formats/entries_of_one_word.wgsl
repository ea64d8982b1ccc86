// A codebook whose entries are words; CODEBOOK_WORDS of them, as the format declares.
alias Entry = u32;
const CODEBOOK_ENTRIES: u32 = CODEBOOK_WORDS;
#include "formats/codebook.wgsl"

fn stored_entry(index: u32) -> u32 {
    return scales[index];
}

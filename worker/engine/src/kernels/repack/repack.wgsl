// Converts blocks in the file's layout to the streams of quants and scales that `formats/` read. A group is the
// smallest number of blocks whose parts fill whole words.
// Grid: one thread per group. Constants: FILE_BYTES, QUANT_WORDS and SCALE_WORDS of a group, CODEBOOK_WORDS before all
// scales, WORKGROUP.
struct Piece {
    // Offset of the piece's first byte in `file`.
    start: u32,
    len_bytes: u32,
    // The first group of the streams to write.
    first_group: u32,
}

@group(0) @binding(0) var<uniform> piece: Piece;
// Part of a file, with an extra word: [bytes / 4 + 1]
@group(0) @binding(1) var<storage, read> file: array<u32>;
// Quants: [groups][QUANT_WORDS]
@group(0) @binding(2) var<storage, read_write> quants: array<u32>;
#ifdef SCALES
// Scales, if the format has any: [CODEBOOK_WORDS], which stay as they are, then [groups][SCALE_WORDS]
@group(0) @binding(3) var<storage, read_write> scales: array<u32>;
#endif

// Four bytes at byte `at` of the piece, which need not be aligned; zeros past its end.
fn file_word(at: u32) -> u32 {
    if (at >= piece.len_bytes) {
        return 0u;
    }
    let byte = piece.start + at;
    let shift = 8u * (byte & 3u);
    var word = file[byte >> 2u] >> shift;
    if (shift > 0u) {
        word |= file[(byte >> 2u) + 1u] << (32u - shift);
    }
    let left = piece.len_bytes - at;
    return select(word, word & ((1u << (8u * (left & 3u))) - 1u), left < 4u);
}

fn file_byte(at: u32) -> u32 {
    return file_word(at) & 0xffu;
}

// Combines two separate halves into a word.
fn file_halves(low: u32, high: u32) -> u32 {
    return (file_word(low) & 0xffffu) | (file_word(high) << 16u);
}

fn put_quants(group: u32, index: u32, word: u32) {
    quants[group * QUANT_WORDS + index] = word;
}

// Copies words of quants that kernels read in the file's layout.
fn copy_quants(at: u32, group: u32, index: u32, words: u32) {
    for (var i = 0u; i < words; i++) {
        put_quants(group, index + i, file_word(at + 4u * i));
    }
}

#include "repack/FORMAT.wgsl"

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let at = id.x * FILE_BYTES;
    if (at < piece.len_bytes) {
        repack(at, piece.first_group + id.x);
    }
}

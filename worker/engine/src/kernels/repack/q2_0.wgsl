// Q2_0: two blocks, each with an f16 and four words of pairs of bits, weight i of a word at bit 2i.
#include "repack/put_scales.wgsl"

// Exchanges pairs of bits so that weight 4k + i, at bit 8k + 2i, goes to bit 8i + 2k.
fn transposed(word: u32) -> u32 {
    let near = (word ^ (word >> 6u)) & 0x00cc00ccu;
    let half_done = word ^ near ^ (near << 6u);
    let far = (half_done ^ (half_done >> 12u)) & 0x0000f0f0u;
    return half_done ^ far ^ (far << 12u);
}

fn repack(at: u32, group: u32) {
    put_scales(group, 0u, file_halves(at, at + 18u));
    for (var i = 0u; i < 8u; i++) {
        put_quants(group, i, transposed(file_word(at + 18u * (i >> 2u) + 2u + 4u * (i & 3u))));
    }
}

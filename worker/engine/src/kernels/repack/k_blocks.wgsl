// Common parts of Q4_K and Q5_K.
#include "repack/put_scales.wgsl"
#include "repack/nibbles.wgsl"

// Scale (low byte) and minimum (second byte) of block i, from 12 bytes at `at` (`get_scale_min_k4` in `ggml-quants.c`).
fn scale_min(at: u32, i: u32) -> u32 {
    let own = file_byte(at + i);
    let next = file_byte(at + i + 4u);
    if (i < 4u) {
        return (own & 63u) | ((next & 63u) << 8u);
    }
    let scale = (next & 15u) | ((file_byte(at + i - 4u) >> 6u) << 4u);
    let minimum = (next >> 4u) | ((own >> 6u) << 4u);
    return scale | (minimum << 8u);
}

// The first four words of scales, in the layout of `formats/k_scales.wgsl`.
fn put_k_scales(at: u32, group: u32) {
    var low_scales = 0u;
    var low_minima = 0u;
    var high = 0u;
    for (var i = 0u; i < 8u; i++) {
        let pair = scale_min(at + 4u, i);
        low_scales |= (pair & 15u) << (4u * i);
        low_minima |= ((pair >> 8u) & 15u) << (4u * i);
        high |= (((pair >> 4u) & 3u) | ((pair << 4u) & 0x30000u)) << (2u * i);
    }
    put_scales(group, 0u, file_word(at));
    put_scales(group, 1u, low_scales);
    put_scales(group, 2u, low_minima);
    put_scales(group, 3u, high);
}

// 128 bytes of nibbles: every 32 bytes hold one block in the low nibbles and one in the high nibbles.
fn put_k_nibbles(at: u32, group: u32) {
    for (var i = 0u; i < 16u; i++) {
        let pair = i >> 2u;
        let k = i & 3u;
        let start = at + 32u * pair + 4u * k;
        let first = file_word(start);
        let second = file_word(start + 16u);
        put_quants(group, 8u * pair + k, low_block(first, second));
        put_quants(group, 8u * pair + k + 4u, high_block(first, second));
    }
}

// 32 weights as magnitudes from a codebook, with signs: w = ±m scale. The codebook precedes the scales: words of four
// bytes, each 64 plus a magnitude below 64. Quants hold two words per block. The format defines `signed_of`, what a
// block's quants and the words of `load_own` and `load_common` say.
const CENTRE: i32 = 64;
#include "formats/block.wgsl"
#include "formats/codes.wgsl"
#include "formats/signed_quad.wgsl"
#include "formats/two_words.wgsl"

struct Signed {
    // Eight words of magnitudes.
    first: vec4<u32>,
    second: vec4<u32>,
    // For the order see `high_bits.wgsl`.
    signs: u32,
    // A scale for either half.
    scale: vec2<f32>,
}

fn load_block(block: u32) -> Block {
    let w = signed_of(load_words(block), load_own(block), load_common(block), block);
    let s0 = w.scale.x * BYTE_SCALE;
    let s1 = w.scale.y * BYTE_SCALE;
    let m0 = vec4<f32>(64.0 * w.scale.x);
    let m1 = vec4<f32>(64.0 * w.scale.y);
    return Block(
        signed_quad(w.first.x, w.signs) * s0 - m0,
        signed_quad(w.first.y, w.signs >> 1u) * s0 - m0,
        signed_quad(w.first.z, w.signs >> 2u) * s0 - m0,
        signed_quad(w.first.w, w.signs >> 3u) * s0 - m0,
        signed_quad(w.second.x, w.signs >> 4u) * s1 - m1,
        signed_quad(w.second.y, w.signs >> 5u) * s1 - m1,
        signed_quad(w.second.z, w.signs >> 6u) * s1 - m1,
        signed_quad(w.second.w, w.signs >> 7u) * s1 - m1,
    );
}

fn codes_of(words: vec2<u32>, own: u32, scale_words: vec4<u32>, block: u32) -> Codes {
    let w = signed_of(words, own, scale_words, block);
    return Codes(
        vec4<u32>(
            signed_bytes(w.first.x, w.signs),
            signed_bytes(w.first.y, w.signs >> 1u),
            signed_bytes(w.first.z, w.signs >> 2u),
            signed_bytes(w.first.w, w.signs >> 3u),
        ),
        vec4<u32>(
            signed_bytes(w.second.x, w.signs >> 4u),
            signed_bytes(w.second.y, w.signs >> 5u),
            signed_bytes(w.second.z, w.signs >> 6u),
            signed_bytes(w.second.w, w.signs >> 7u),
        ),
        w.scale,
    );
}

fn four_bytes(word: u32) -> vec4<u32> {
    return vec4<u32>(word & 0xffu, (word >> 8u) & 0xffu, (word >> 16u) & 0xffu, word >> 24u);
}

// 32 weights as magnitudes from a codebook, with signs: w = ±m scale. The codebook precedes the scales: words of four
// bytes, each 64 plus a magnitude below 64.
#include "formats/block.wgsl"
#include "formats/signed_quad.wgsl"

// The weights of eight words of magnitudes. For the order of signs see `high_bits.wgsl`; either half has a scale.
fn signed_block(first: vec4<u32>, second: vec4<u32>, signs: u32, scale: vec2<f32>) -> Block {
    let s0 = scale.x * BYTE_SCALE;
    let s1 = scale.y * BYTE_SCALE;
    let m0 = vec4<f32>(64.0 * scale.x);
    let m1 = vec4<f32>(64.0 * scale.y);
    return Block(
        signed_quad(first.x, signs) * s0 - m0,
        signed_quad(first.y, signs >> 1u) * s0 - m0,
        signed_quad(first.z, signs >> 2u) * s0 - m0,
        signed_quad(first.w, signs >> 3u) * s0 - m0,
        signed_quad(second.x, signs >> 4u) * s1 - m1,
        signed_quad(second.y, signs >> 5u) * s1 - m1,
        signed_quad(second.z, signs >> 6u) * s1 - m1,
        signed_quad(second.w, signs >> 7u) * s1 - m1,
    );
}

// The same from four entries of eight magnitudes.
fn signed_eights(index: vec4<u32>, signs: u32, scale: vec2<f32>) -> Block {
    let at = 2u * index;
    return signed_block(
        vec4<u32>(scales[at.x], scales[at.x + 1u], scales[at.y], scales[at.y + 1u]),
        vec4<u32>(scales[at.z], scales[at.z + 1u], scales[at.w], scales[at.w + 1u]),
        signs,
        scale,
    );
}

// The same from eight entries of four magnitudes.
fn signed_fours(first: vec4<u32>, second: vec4<u32>, signs: u32, scale: vec2<f32>) -> Block {
    return signed_block(
        vec4<u32>(scales[first.x], scales[first.y], scales[first.z], scales[first.w]),
        vec4<u32>(scales[second.x], scales[second.y], scales[second.z], scales[second.w]),
        signs,
        scale,
    );
}

fn four_bytes(word: u32) -> vec4<u32> {
    return vec4<u32>(word & 0xffu, (word >> 8u) & 0xffu, (word >> 16u) & 0xffu, word >> 24u);
}

// Q8_0: quants hold two vec4 per block (32 signed bytes in order); w = d q.
#include "formats/block.wgsl"
#include "formats/half_scale.wgsl"
#include "formats/integers.wgsl"

// The bytes of a word plus 128, the second to fourth scaled by powers of two; for why no vector is shifted see
// `nibbles.wgsl`.
const SIGNED_BYTE_SCALE: vec4<f32> = vec4<f32>(1.0, 0x1p-8, 0x1p-16, 0x1p-16);

fn biased_bytes(word: u32) -> vec4<f32> {
    let biased = word ^ 0x80808080u;
    return vec4<f32>(vec4<i32>(vec4<u32>(biased, biased, biased, biased >> 8u) & vec4<u32>(0xffu, 0xff00u, 0xff0000u, 0xff0000u)));
}

fn load_block(block: u32) -> Block {
    let a = quants[2u * block];
    let b = quants[2u * block + 1u];
    let d = load_scale(block);
    let scale = d * SIGNED_BYTE_SCALE;
    let offset = vec4<f32>(128.0 * d);
    return Block(
        biased_bytes(a.x) * scale - offset,
        biased_bytes(a.y) * scale - offset,
        biased_bytes(a.z) * scale - offset,
        biased_bytes(a.w) * scale - offset,
        biased_bytes(b.x) * scale - offset,
        biased_bytes(b.y) * scale - offset,
        biased_bytes(b.z) * scale - offset,
        biased_bytes(b.w) * scale - offset,
    );
}

fn load_integers(block: u32) -> Integers {
    return Integers(quants[2u * block], quants[2u * block + 1u], load_scale(block), 0.0);
}

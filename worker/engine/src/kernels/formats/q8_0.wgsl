// Q8_0: quants hold two vec4 a block (32 signed bytes in order); w = d q.
#include "formats/block.wgsl"
#include "formats/half_scale.wgsl"

fn signed_bytes(word: u32) -> vec4<f32> {
    return vec4<f32>(vec4<i32>(vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}

fn load_block(block: u32) -> Block {
    let a = quants[2u * block];
    let b = quants[2u * block + 1u];
    let d = load_scale(block);
    return Block(
        signed_bytes(a.x) * d,
        signed_bytes(a.y) * d,
        signed_bytes(a.z) * d,
        signed_bytes(a.w) * d,
        signed_bytes(b.x) * d,
        signed_bytes(b.y) * d,
        signed_bytes(b.z) * d,
        signed_bytes(b.w) * d,
    );
}

// BF16: quants hold four vec4 a block of 32 (two weights a word, in order); no scales.
#include "formats/block.wgsl"

fn floats(a: u32, b: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(vec4<u32>(a << 16u, a & 0xffff0000u, b << 16u, b & 0xffff0000u));
}

fn load_block(block: u32) -> Block {
    let a = quants[4u * block];
    let b = quants[4u * block + 1u];
    let c = quants[4u * block + 2u];
    let d = quants[4u * block + 3u];
    return Block(
        floats(a.x, a.y),
        floats(a.z, a.w),
        floats(b.x, b.y),
        floats(b.z, b.w),
        floats(c.x, c.y),
        floats(c.z, c.w),
        floats(d.x, d.y),
        floats(d.z, d.w),
    );
}

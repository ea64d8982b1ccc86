// F16: quants hold four vec4 a block of 32 (two weights a word, in order); no scales.
#include "formats/block.wgsl"

fn halves(a: u32, b: u32) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(a), unpack2x16float(b));
}

fn load_block(block: u32) -> Block {
    let a = quants[4u * block];
    let b = quants[4u * block + 1u];
    let c = quants[4u * block + 2u];
    let d = quants[4u * block + 3u];
    return Block(
        halves(a.x, a.y),
        halves(a.z, a.w),
        halves(b.x, b.y),
        halves(b.z, b.w),
        halves(c.x, c.y),
        halves(c.z, c.w),
        halves(d.x, d.y),
        halves(d.z, d.w),
    );
}

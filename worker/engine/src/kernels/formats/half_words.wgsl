// Two weights per word, in order; four vec4 of quants per block of 32. The format defines `halves`, the floats of two
// words.
#include "formats/block.wgsl"

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

// F32: quants hold eight vec4 per block of 32, in order; no scales.
#include "formats/block.wgsl"

fn load_block(block: u32) -> Block {
    let base = 8u * block;
    return Block(
        bitcast<vec4<f32>>(quants[base]),
        bitcast<vec4<f32>>(quants[base + 1u]),
        bitcast<vec4<f32>>(quants[base + 2u]),
        bitcast<vec4<f32>>(quants[base + 3u]),
        bitcast<vec4<f32>>(quants[base + 4u]),
        bitcast<vec4<f32>>(quants[base + 5u]),
        bitcast<vec4<f32>>(quants[base + 6u]),
        bitcast<vec4<f32>>(quants[base + 7u]),
    );
}

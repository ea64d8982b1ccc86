// BF16, the upper halves of floats: for quants see `half_words.wgsl`; no scales.
#include "formats/half_words.wgsl"

fn halves(a: u32, b: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(vec4<u32>(a << 16u, a & 0xffff0000u, b << 16u, b & 0xffff0000u));
}

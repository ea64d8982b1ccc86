// F16: for quants see `half_words.wgsl`; no scales.
#include "formats/half_words.wgsl"

fn halves(a: u32, b: u32) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(a), unpack2x16float(b));
}

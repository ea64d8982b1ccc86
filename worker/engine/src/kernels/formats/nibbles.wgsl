// Small integers packed into the four bytes of a word, as floats, each scaled by a power of two: multiply by
// BYTE_SCALE.
//
// They are masked instead of shifted: shifting a vector by a vector is expensive in software renderers, and the factor
// can be folded into the block's scale. All products stay exact. Integers are made signed first, because software and
// some hardware convert them to floats faster than unsigned ones.
const BYTE_SCALE: vec4<f32> = vec4<f32>(1.0, 0x1p-8, 0x1p-16, 0x1p-24);

fn low_nibbles(word: u32) -> vec4<f32> {
    return vec4<f32>(vec4<i32>(vec4<u32>(word) & vec4<u32>(0xfu, 0xf00u, 0xf0000u, 0xf000000u)));
}

fn high_nibbles(word: u32) -> vec4<f32> {
    return low_nibbles(word >> 4u);
}

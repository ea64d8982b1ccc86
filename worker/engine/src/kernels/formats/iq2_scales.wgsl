// Scales of IQ2_XS and IQ2_S: two words from `base` on with a byte for each of eight blocks (a nibble per half), and
// f16 d in the word after them.
fn half_scales(base: u32, i: u32) -> vec2<f32> {
    let byte = scales[base + (i >> 2u)] >> (8u * (i & 3u));
    let d = unpack2x16float(scales[base + 2u]).x;
    return 0.25 * d * (vec2<f32>(f32(byte & 15u), f32((byte >> 4u) & 15u)) + 0.5);
}

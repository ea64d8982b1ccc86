// Scales of IQ2_XS and IQ2_S: a byte for each of eight blocks (a nibble per half), four per word, and f16 d.
fn half_scales(bytes: u32, d: u32, block: u32) -> vec2<f32> {
    let byte = bytes >> (8u * (block & 3u));
    return 0.25 * unpack2x16float(d).x * (vec2<f32>(f32(byte & 15u), f32((byte >> 4u) & 15u)) + 0.5);
}

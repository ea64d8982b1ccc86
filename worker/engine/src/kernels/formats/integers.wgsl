// 32 weights of one row as 8-bit integers, in order, four per word: w = scale * q + offset.
struct Integers {
    first: vec4<u32>,
    second: vec4<u32>,
    scale: f32,
    offset: f32,
}

fn nibble_integers(q: vec4<u32>, scale: f32, offset: f32) -> Integers {
    return Integers(q & vec4<u32>(0x0f0f0f0fu), (q >> vec4<u32>(4u)) & vec4<u32>(0x0f0f0f0fu), scale, offset);
}

// With a bit above each nibble; for its place see `high_bits.wgsl`.
fn five_bit_integers(q: vec4<u32>, high: u32, scale: f32, offset: f32) -> Integers {
    let low = nibble_integers(q, scale, offset);
    let first = (vec4<u32>(high) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(0x01010101u);
    let second = (vec4<u32>(high) >> vec4<u32>(4u, 5u, 6u, 7u)) & vec4<u32>(0x01010101u);
    return Integers(low.first | (first << vec4<u32>(4u)), low.second | (second << vec4<u32>(4u)), scale, offset);
}

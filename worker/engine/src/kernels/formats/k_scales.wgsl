// Scales of Q4_K and Q5_K. The first four of SCALE_WORDS words per eight blocks: f16 d and dmin; the low four bits of
// the blocks' scales; those of their minimums; the high two bits of the scales (low half) and minimums (high half).

// Scale and minimum of a block.
fn scale_and_min(block: u32) -> vec2<f32> {
    let base = (block >> 3u) * SCALE_WORDS;
    let i = block & 7u;
    let high = scales[base + 3u] >> (2u * i);
    let scale = ((scales[base + 1u] >> (4u * i)) & 15u) | ((high & 3u) << 4u);
    let minimum = ((scales[base + 2u] >> (4u * i)) & 15u) | ((high >> 12u) & 0x30u);
    return unpack2x16float(scales[base]) * vec2<f32>(f32(scale), f32(minimum));
}

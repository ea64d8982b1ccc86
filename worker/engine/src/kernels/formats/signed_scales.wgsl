// Scales of the two halves of a block: d times two signed bytes of `word`, starting at bit `shift`.
fn half_block_scales(word: u32, shift: u32, d: f32) -> vec2<f32> {
    let bytes = bitcast<i32>(word);
    return d * vec2<f32>(f32(extractBits(bytes, shift, 8u)), f32(extractBits(bytes, shift + 8u, 8u)));
}

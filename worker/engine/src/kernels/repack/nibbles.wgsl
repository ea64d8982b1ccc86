// 32 bytes hold a block in their low nibbles and the next one in their high nibbles. From words k and k + 4 of these
// bytes, `low_block` and `high_block` make word k of the respective block: byte i has weight i low and weight i + 16
// high.
fn low_block(first: u32, second: u32) -> u32 {
    return (first & 0x0f0f0f0fu) | ((second & 0x0f0f0f0fu) << 4u);
}

fn high_block(first: u32, second: u32) -> u32 {
    return ((first >> 4u) & 0x0f0f0f0fu) | (second & 0xf0f0f0f0u);
}

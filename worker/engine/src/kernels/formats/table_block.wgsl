// 32 weights whose nibbles are indices into TABLE, times a scale.
#include "formats/block.wgsl"

fn table_values(word: u32) -> vec4<f32> {
    return vec4<f32>(
        TABLE[word & 15u],
        TABLE[(word >> 8u) & 15u],
        TABLE[(word >> 16u) & 15u],
        TABLE[(word >> 24u) & 15u],
    );
}

fn table_block(q: vec4<u32>, scale: f32) -> Block {
    return Block(
        table_values(q.x) * scale,
        table_values(q.y) * scale,
        table_values(q.z) * scale,
        table_values(q.w) * scale,
        table_values(q.x >> 4u) * scale,
        table_values(q.y >> 4u) * scale,
        table_values(q.z >> 4u) * scale,
        table_values(q.w >> 4u) * scale,
    );
}

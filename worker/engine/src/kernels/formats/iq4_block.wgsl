// 32 weights of IQ4_NL and IQ4_XS, whose nibbles are indices into a table, times a scale.
#include "formats/block.wgsl"

// The table (`kvalues_iq4nl` in `ggml-common.h`), four signed bytes per word. A constant array would be several times
// slower: compilers copy it to each thread's memory, because registers cannot be indexed.
const TABLE = vec4<u32>(0xbfad9881u, 0xf6eaddcfu, 0x26190d01u, 0x71594535u);

fn table_value(index: u32) -> f32 {
    let half = select(TABLE.xy, TABLE.zw, (index & 8u) == 8u);
    let word = select(half.x, half.y, (index & 4u) == 4u);
    // The byte goes to the top, and comes back with its sign.
    return f32(bitcast<i32>(word << (24u - 8u * (index & 3u))) >> 24u);
}

fn table_values(word: u32) -> vec4<f32> {
    return vec4<f32>(table_value(word), table_value(word >> 8u), table_value(word >> 16u), table_value(word >> 24u));
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

// What all kernels of attention bind, and which positions a token sees: those up to its own, with WINDOW only the last WINDOW_LEN of
// them, with BIDIRECTIONAL all of the batch.
// Constants: those of `attention_batch.wgsl`.
#include "state.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Query: [tokens][HEADS][HEAD_DIM]
@group(0) @binding(1) var<storage, read> q: array<f32>;
#ifdef COOPERATIVE
// Keys, then from VALUE_OFFSET words on values; four f16 an entry: [position][KV_HEADS][HEAD_DIM / 4]
@group(0) @binding(2) var<storage, read> kv: array<vec4<f16>>;
#else
// Keys, then from VALUE_OFFSET words on values; eight f16 an entry: [position][KV_HEADS][HEAD_DIM / 8]
@group(0) @binding(2) var<storage, read> kv: array<vec4<u32>>;
#endif
// Output: [tokens][HEADS][HEAD_DIM / 2]; with several splits, unnormalised sums, then a pair of the highest score
// and the sum of weights: [tokens][HEADS][SPLITS][HEAD_DIM / 2 + 1]
@group(0) @binding(3) var<storage, read_write> y: array<vec2<f32>>;

const HALF_DIM: u32 = HEAD_DIM / 2u;
const KEY_VECTORS: u32 = HEAD_DIM / 8u;
const LOWEST: f32 = -3.0e38;

// The query, scaled, in the key's order of pairs.
var<workgroup> query: array<vec2<f32>, HALF_DIM>;

// What eight elements of a key add to its score.
fn key_dot(keys: vec4<u32>, vector: u32) -> f32 {
    return dot(unpack2x16float(keys.x), query[4u * vector])
        + dot(unpack2x16float(keys.y), query[4u * vector + 1u])
        + dot(unpack2x16float(keys.z), query[4u * vector + 2u])
        + dot(unpack2x16float(keys.w), query[4u * vector + 3u]);
}

fn soft_capped(score: f32) -> f32 {
#ifdef SOFTCAP
    // Beyond 10 tanh is 1, and some implementations overflow.
    return SOFTCAP_LIMIT * tanh(clamp(score / SOFTCAP_LIMIT, -10.0, 10.0));
#else
    return score;
#endif
}

// A pair of the query's elements, scaled; past the head's end the last one.
fn scaled_query(token: u32, head: u32, index: u32) -> vec2<f32> {
    let pair = min(index, HALF_DIM - 1u);
    var elements = vec2<u32>(2u * pair, 2u * pair + 1u);
#ifdef ROPE_HALF
    if (pair < ROPE_DIM / 2u) {
        elements = vec2<u32>(pair, pair + ROPE_DIM / 2u);
    }
#endif
    let base = (token * HEADS + head) * HEAD_DIM;
    return vec2<f32>(q[base + elements.x], q[base + elements.y]) * SCALE;
}

// The first position that a token sees, and the one after the last.
fn visible(token: u32) -> vec2<u32> {
#ifdef BIDIRECTIONAL
    return vec2<u32>(0u, state.position + state.token_count);
#else
    let end = state.position + token + 1u;
#ifdef WINDOW
    return vec2<u32>(end - min(end, WINDOW_LEN), end);
#else
    return vec2<u32>(0u, end);
#endif
#endif
}

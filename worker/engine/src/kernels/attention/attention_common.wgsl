// Bindings of all attention kernels, and the positions that a token attends to: those up to its own; with WINDOW only
// the last WINDOW_LEN of them, with BIDIRECTIONAL also the rest of the batch, with AHEAD AHEAD_LEN positions of it.
// With BLOCKS a token attends to the positions that a list has for it.
// With SINKS a head's softmax also covers a sink: one more score, whose value is zero (Xiao et al. 2023, section 3.3;
// learned per head in gpt-oss).
// Constants: those of `attention_batch.wgsl`.
#ifdef PROJECTED
// As below
@group(0) @binding(6) var<storage, read_write> kv: array<vec4<u32>>;
// Output for one token, as below
@group(0) @binding(5) var<storage, read_write> y: array<vec2<f32>>;
#else
#include "shared/state.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Query: [tokens][HEADS][HEAD_DIM]
@group(0) @binding(1) var<storage, read> q: array<f32>;
#ifdef COOPERATIVE
// Keys, then values from 2 VALUE_VEC_OFFSET on; four f16 per entry: [cache_row][KV_HEADS][HEAD_DIM / 4]
@group(0) @binding(2) var<storage, read> kv: array<vec4<f16>>;
#else
#ifdef CACHE_Q8
// Keys: [cache_row][ROW_VECTORS], and values from VALUE_VEC_OFFSET on: [cache_row][VALUE_ROW_VECTORS]. A row has first
// its elements, eight signed bytes per entry: [KV_HEADS][HEAD_DIM / 8], or VALUE_DIM / 8; then the largest of every 32
// (f32), two per entry.
@group(0) @binding(2) var<storage, read> kv: array<vec2<u32>>;
#else
#ifdef CACHE_F32
// As below, but four f32 per entry, so two entries where there is one below.
@group(0) @binding(2) var<storage, read> kv: array<vec4<f32>>;
#else
// Keys: [cache_row][ROW_VECTORS], and values from VALUE_VEC_OFFSET on: [cache_row][VALUE_ROW_VECTORS]; eight f16 per
// entry. A row is [KV_HEADS][HEAD_DIM / 8], of values [KV_HEADS][VALUE_DIM / 8].
@group(0) @binding(2) var<storage, read> kv: array<vec4<u32>>;
#endif
#endif
#endif
#ifdef HALVES
// Output: [tokens][HEADS][VALUE_DIM / 2]
@group(0) @binding(3) var<storage, read_write> y: array<vec2<f16>>;
#else
// Output: [tokens][HEADS][VALUE_DIM / 2]; with several splits, unnormalised sums, then a pair of the highest score and
// the sum of weights: [tokens][HEADS][SPLITS][VALUE_DIM / 2 + 1]
@group(0) @binding(3) var<storage, read_write> y: array<vec2<f32>>;
#endif
#endif
#ifdef SINKS
// Scores of the sinks: [HEADS]
@group(0) @binding(10) var<storage, read> sinks: array<f32>;
#endif

#ifdef BLOCKS
// The first position that a token attends to, and the one after the last: [tokens]
@group(0) @binding(11) var<storage, read> blocks: array<vec2<u32>>;
#endif

#include "shared/head_shape.wgsl"
#include "attention/cache_row.wgsl"
const KEY_VECTORS: u32 = HEAD_DIM / 8u;
const VALUE_VECTORS: u32 = VALUE_DIM / 8u;
const LOWEST: f32 = -3.0e38;

// The query, scaled, with its pairs in the order of the keys.
var<workgroup> query: array<vec2<f32>, HALF_DIM>;

#ifdef COOPERATIVE
#else
// Eight elements of a key or a value.
#ifdef CACHE_Q8
struct Eight {
    bytes: vec2<u32>,
    largest: f32,
}

// Entry `vector` of the row that starts at entry `row`; its scales start `scales` entries later.
fn load_eight(row: u32, scales: u32, vector: u32) -> Eight {
    let block = vector / 4u;
    let largest = kv[row + scales + block / 2u];
    return Eight(kv[row + vector], bitcast<f32>(select(largest.x, largest.y, block % 2u == 1u)));
}

// One of the four pairs of elements.
fn pair_of(eight: Eight, index: u32) -> vec2<f32> {
    let four = unpack4x8snorm(select(eight.bytes.x, eight.bytes.y, index >= 2u));
    return eight.largest * select(four.xy, four.zw, index % 2u == 1u);
}

// All four pairs of elements.
fn pairs_of(eight: Eight) -> mat4x2<f32> {
    let low = eight.largest * unpack4x8snorm(eight.bytes.x);
    let high = eight.largest * unpack4x8snorm(eight.bytes.y);
    return mat4x2<f32>(low.xy, low.zw, high.xy, high.zw);
}
#else
#ifdef CACHE_F32
struct Eight {
    low: vec4<f32>,
    high: vec4<f32>,
}

// Entry `vector` of the row that starts at entry `row`.
fn load_eight(row: u32, scales: u32, vector: u32) -> Eight {
    return Eight(kv[2u * (row + vector)], kv[2u * (row + vector) + 1u]);
}

// One of the four pairs of elements.
fn pair_of(eight: Eight, index: u32) -> vec2<f32> {
    let four = select(eight.low, eight.high, index >= 2u);
    return select(four.xy, four.zw, index % 2u == 1u);
}

// All four pairs of elements.
fn pairs_of(eight: Eight) -> mat4x2<f32> {
    return mat4x2<f32>(eight.low.xy, eight.low.zw, eight.high.xy, eight.high.zw);
}
#else
alias Eight = vec4<u32>;

// Entry `vector` of the row that starts at entry `row`.
fn load_eight(row: u32, scales: u32, vector: u32) -> Eight {
    return kv[row + vector];
}

// One of the four pairs of elements.
fn pair_of(eight: Eight, index: u32) -> vec2<f32> {
    return unpack2x16float(eight[index]);
}

// All four pairs of elements.
fn pairs_of(eight: Eight) -> mat4x2<f32> {
    return mat4x2<f32>(
        unpack2x16float(eight.x), unpack2x16float(eight.y), unpack2x16float(eight.z), unpack2x16float(eight.w));
}
#endif
#endif

// Entry `vector` of a position's keys.
fn load_key(sequence: u32, position: u32, vector: u32) -> Eight {
    return load_eight(cache_row(sequence, position) * ROW_VECTORS, KV_HEADS * KEY_VECTORS, vector);
}

// Entry `vector` of a position's values.
fn load_value(sequence: u32, position: u32, vector: u32) -> Eight {
    return load_eight(VALUE_VEC_OFFSET + cache_row(sequence, position) * VALUE_ROW_VECTORS, VALUE_SCALES, vector);
}

// Contribution of eight elements of a key to its score.
fn key_dot(key: Eight, vector: u32) -> f32 {
    let pairs = pairs_of(key);
    return dot(pairs[0], query[4u * vector])
        + dot(pairs[1], query[4u * vector + 1u])
        + dot(pairs[2], query[4u * vector + 2u])
        + dot(pairs[3], query[4u * vector + 3u]);
}
#endif

fn soft_capped(score: f32) -> f32 {
#ifdef SOFTCAP
    // Beyond 10 tanh is 1, and some implementations overflow.
    return SOFTCAP_LIMIT * tanh(clamp(score / SOFTCAP_LIMIT, -10.0, 10.0));
#else
    return score;
#endif
}

#ifdef PROJECTED
#else
// The factor of a token's query.
fn query_scale(token: u32) -> f32 {
#ifdef TEMPERATURE
    return SCALE * (1.0 + TEMPERATURE_SCALE * log(1.0 + f32(position_of(token) / TEMPERATURE_STEP)));
#else
    return SCALE;
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
    return vec2<f32>(q[base + elements.x], q[base + elements.y]) * query_scale(token);
}
#endif

// The first position that a token attends to, and the one after the last.
fn visible(token: u32) -> vec2<u32> {
#ifdef BLOCKS
    return blocks[token];
#else
    let own_end = position_of(token) + 1u;
    var seen = vec2<u32>(0u, own_end);
#ifdef WINDOW
    seen.x = own_end - min(own_end, WINDOW_LEN);
#endif
#ifdef BIDIRECTIONAL
    seen.y = state.position + state.token_count;
#ifdef AHEAD
    seen.y = min(seen.y, own_end + AHEAD_LEN);
#endif
#endif
    return seen;
#endif
}

#ifdef ALIBI
// What the distance of a position adds to its score (ALiBi; Press et al. 2022, section 3).
fn distance_bias(token: u32, head: u32, position: u32) -> f32 {
    let own = position_of(token);
    let step = select(f32(head) + 1.0, f32(head - ALIBI_HEADS) + 0.5, head >= ALIBI_HEADS);
    return -exp2(-8.0 * step / f32(ALIBI_HEADS)) * f32(max(own, position) - min(own, position));
}
#endif

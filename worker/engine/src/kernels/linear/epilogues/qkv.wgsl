// The matrix holds rows of the query, key and value projections, in this order; FIRST_ROW is its first row in that
// order (not 0 if the three have different formats and take separate dispatches). RoPE rotates pairs of rows of a head:
// adjacent ones, or with ROPE_HALF rows ROPE_DIM / 2 apart.
// Queries go to `y`; keys and values are appended to the cache as f16, with CACHE_F32 as f32. With PROJECTED, used by
// `attention.wgsl`, they stay in the workgroup instead: the query, scaled, and the key and value in f16. With CACHE_Q8,
// used only by `head_norm.wgsl`, keys and values are collected for `quantise_word`.
// Constants: HEADS, KV_HEADS, HEAD_DIM, VALUE_DIM, ROPE_DIM, VALUE_OFFSET (first word of the values in the cache),
// ROW_WORDS and VALUE_ROW_WORDS (words of a position's keys, and of its values).

#include "shared/head_shape.wgsl"
#include "attention/cache_row.wgsl"

#ifdef PROJECTED
#else
// Query: [tokens][HEADS][HEAD_DIM]
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
// Keys, then values from VALUE_OFFSET on; two f16 per word: [cache_row][KV_HEADS][HEAD_DIM / 2], of values
// [cache_row][KV_HEADS][VALUE_DIM / 2]. With CACHE_Q8 [cache_row][ROW_WORDS]: first the elements, four signed bytes per
// word: [KV_HEADS][HEAD_DIM / 4]; then the largest of every 32 (f32). With CACHE_F32 an element per word.
@group(0) @binding(6) var<storage, read_write> kv: array<u32>;
#endif
// Cosine and sine of the angle: [angle_row][ROPE_DIM / 2]
@group(0) @binding(7) var<storage, read> rope: array<vec2<f32>>;

#ifdef CACHE_F32
const PAIR_WORDS: u32 = 2u;
#else
const PAIR_WORDS: u32 = 1u;
#endif
const FIRST_PAIR: u32 = FIRST_ROW / 2u;
// Pairs of queries and keys, after which those of values follow.
const VALUES_AT: u32 = (HEADS + KV_HEADS) * HALF_DIM;

// The two elements of a query or key head that form pair `index` (0..HALF_DIM).
fn rope_elements(index: u32) -> vec2<u32> {
#ifdef ROPE_HALF
    // Elements past ROPE_DIM are not rotated; adjacent ones form a pair.
    if (index < ROPE_DIM / 2u) {
        return vec2<u32>(index, index + ROPE_DIM / 2u);
    }
#endif
    return vec2<u32>(2u * index, 2u * index + 1u);
}

fn pair_rows(pair: u32) -> vec2<u32> {
    let place = FIRST_PAIR + pair;
    if (place >= VALUES_AT) {
        return vec2<u32>(2u * pair, 2u * pair + 1u);
    }
    return place / HALF_DIM * HEAD_DIM - 2u * FIRST_PAIR + rope_elements(place % HALF_DIM);
}

#ifdef PROJECTED
// The token's own key or value; two f16 per word.
var<workgroup> own: array<u32, HALF_DIM>;

fn append(head: u32, index: u32, pair: vec2<f32>) {
    own[index] = pack2x16float(pair);
}
#else
#include "attention/append.wgsl"
#endif

// Applies RoPE, if the pair is rotated.
fn rotated(token: u32, pair: u32, values: vec2<f32>) -> vec2<f32> {
    let place = FIRST_PAIR + pair;
    let index = place % HALF_DIM;
    if (place >= VALUES_AT || index >= ROPE_DIM / 2u) {
        return values;
    }
    let angle = rope[angle_row(token) * (ROPE_DIM / 2u) + index];
    return vec2<f32>(values.x * angle.x - values.y * angle.y, values.x * angle.y + values.y * angle.x);
}

// Stores a pair after RoPE.
fn store_rotated(token: u32, pair: u32, values: vec2<f32>) {
    let place = FIRST_PAIR + pair;
    let row = own_row(token);
    if (place >= VALUES_AT) {
        let index = (place - VALUES_AT) % VALUE_PAIRS;
        let head_at = PAIR_WORDS * (place - VALUES_AT - index);
        append(VALUE_OFFSET + row * VALUE_ROW_WORDS + head_at, index, values);
        return;
    }
    let head = place / HALF_DIM;
    let index = place % HALF_DIM;
    if (head < HEADS) {
#ifdef PROJECTED
        query[index] = values * SCALE;
#else
        let elements = rope_elements(index);
        let base = (token * HEADS + head) * HEAD_DIM;
        y[base + elements.x] = values.x;
        y[base + elements.y] = values.y;
#endif
    } else {
        // Keys keep the order of pairs; `attention.wgsl` reads the query in the same order.
        append(row * ROW_WORDS + PAIR_WORDS * (head - HEADS) * HALF_DIM, index, values);
    }
}

// What was stored before does not count.
fn earlier(token: u32, pair: u32) -> vec2<f32> {
    return vec2<f32>();
}

fn store_pair(token: u32, pair: u32, values: vec2<f32>, before: vec2<f32>) {
    store_rotated(token, pair, rotated(token, pair, values));
}

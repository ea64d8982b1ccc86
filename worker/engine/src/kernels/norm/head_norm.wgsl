// Runs between projection and attention: with NORMS, RMS-normalises queries and keys; then applies RoPE, and appends
// keys and values to the cache. Each head is normalised separately with the same weights, with OWN_WEIGHTS with weights
// of its own; or with WHOLE_ROW, which needs OWN_WEIGHTS, all heads together. With CENTRED the norms are layer norms,
// with BIASES those have biases; with AFTER_ROPE RoPE comes first, which does not change a mean square. With VALUE_NORM
// each head of the values is normalised, too, without weights. With QUERIES_ONLY there are no keys and values.
// Grid: x: HEADS + 2 KV_HEADS, or HEADS; y: tokens. Constants: those of `epilogues/qkv.wgsl`, EPS, WORKGROUP.
#include "shared/state.wgsl"
#include "shared/workgroup_sum.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Query, key and value: [tokens][ROW], with HEADS + KV_HEADS times HEAD_DIM elements, and KV_HEADS times VALUE_DIM; or
// only the first HEADS. With GATED a gate of HEAD_DIM follows each query
@group(0) @binding(1) var<storage, read> projected: array<f32>;
#ifdef NORMS
// Weight of the queries' norm: [HEAD_DIM], or with OWN_WEIGHTS [HEADS][HEAD_DIM]
@group(0) @binding(2) var<storage, read> query_norm: array<f32>;
#ifdef QUERIES_ONLY
#else
// Weight of the keys' norm: [HEAD_DIM], or with OWN_WEIGHTS [KV_HEADS][HEAD_DIM]
@group(0) @binding(3) var<storage, read> key_norm: array<f32>;
#endif
#ifdef BIASES
// Biases, in the shapes of the weights
@group(0) @binding(4) var<storage, read> query_bias: array<f32>;
@group(0) @binding(8) var<storage, read> key_bias: array<f32>;
#endif
#endif
#include "linear/epilogues/qkv.wgsl"

#ifdef QUERIES_ONLY
const CACHED_LEN: u32 = 0u;
#else
const CACHED_LEN: u32 = KV_HEADS * (HEAD_DIM + VALUE_DIM);
#endif
#ifdef GATED
const ROW: u32 = 2u * HEADS * HEAD_DIM + CACHED_LEN;
#else
const ROW: u32 = HEADS * HEAD_DIM + CACHED_LEN;
#endif

// Number of gate elements before a head.
fn gates_before(head: u32) -> u32 {
#ifdef GATED
    return min(head, HEADS) * HEAD_DIM;
#else
    return 0u;
#endif
}

fn mean(base: u32, len: u32, thread: u32) -> f32 {
    var sum = 0.0;
    for (var i = thread; i < len; i += WORKGROUP) {
        sum += projected[base + i];
    }
    return workgroup_sum(sum, thread) / f32(len);
}

fn mean_square(base: u32, len: u32, centre: f32, thread: u32) -> f32 {
    var sum = 0.0;
    for (var i = thread; i < len; i += WORKGROUP) {
        let distance = projected[base + i] - centre;
        sum += distance * distance;
    }
    return workgroup_sum(sum, thread) / f32(len);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let head = group.x;
    let token = group.y;
    if (token >= state.token_count) {
        return;
    }
    let is_query = head < HEADS;
    let is_value = head >= HEADS + KV_HEADS;
    let len = select(HEAD_DIM, VALUE_DIM, is_value);
    // The head's first pair.
    var at = head * HALF_DIM;
    if (is_value) {
        at = VALUES_AT + (head - HEADS - KV_HEADS) * VALUE_PAIRS;
    }
    var centre = 0.0;
    var scale = 1.0;
#ifdef NORMS
#ifdef OWN_WEIGHTS
    let weight_base = (head - select(HEADS, 0u, is_query)) * HEAD_DIM;
#else
    let weight_base = 0u;
#endif
#ifdef WHOLE_ROW
    let first = select(HEADS, 0u, is_query);
    let count = select(KV_HEADS, HEADS, is_query);
#else
    let first = head;
    let count = 1u;
#endif
    if (!is_value) {
        let base = token * ROW + gates_before(first) + first * HEAD_DIM;
#ifdef CENTRED
        centre = mean(base, count * HEAD_DIM, thread);
#endif
        scale = inverseSqrt(mean_square(base, count * HEAD_DIM, centre, thread) + EPS);
    }
#endif
#ifdef VALUE_NORM
    if (is_value) {
        let base = token * ROW + gates_before(head) + 2u * at;
        scale = inverseSqrt(mean_square(base, VALUE_DIM, 0.0, thread) + EPS);
    }
#endif
    for (var index = thread; index < len / 2u; index += WORKGROUP) {
        let pair = at + index;
        let rows = pair_rows(pair);
        let base = token * ROW + gates_before(head);
        var values = vec2<f32>(projected[base + rows.x], projected[base + rows.y]);
#ifdef AFTER_ROPE
        values = rotated(token, pair, values);
#endif
#ifdef NORMS
        if (!is_value) {
            let elements = rows - head * HEAD_DIM + weight_base;
            var weights = vec2<f32>(0.0);
            if (is_query) {
                weights = vec2<f32>(query_norm[elements.x], query_norm[elements.y]);
            }
#ifdef QUERIES_ONLY
#else
            if (!is_query) {
                weights = vec2<f32>(key_norm[elements.x], key_norm[elements.y]);
            }
#endif
            values = (values - centre) * scale * weights;
#ifdef BIASES
            if (is_query) {
                values += vec2<f32>(query_bias[elements.x], query_bias[elements.y]);
            } else {
                values += vec2<f32>(key_bias[elements.x], key_bias[elements.y]);
            }
#endif
        }
#endif
#ifdef VALUE_NORM
        if (is_value) {
            values *= scale;
        }
#endif
#ifdef AFTER_ROPE
        store_rotated(token, pair, values);
#else
        store_pair(token, pair, values, vec2<f32>());
#endif
    }
#ifdef CACHE_Q8
    workgroupBarrier();
    if (!is_query) {
        let place = own_row(token);
        let row = select(place * ROW_WORDS, VALUE_OFFSET + place * VALUE_ROW_WORDS, is_value);
        let kv_head = head - select(HEADS, HEADS + KV_HEADS, is_value);
        for (var word = thread; word < len / 4u; word += WORKGROUP) {
            quantise_word(row, kv_head, len, word);
        }
    }
#endif
}

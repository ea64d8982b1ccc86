// Attention of a batch of queries over the KV cache, with an online softmax over tiles of positions. A query sees the
// positions up to its own, with WINDOW only the last WINDOW of them, with BIDIRECTIONAL all of the batch.
//
// Grid: x: HEADS, y: tokens, z: SPLITS, each of which takes its share of the positions. With more than one split, the kernel after it
// puts their results together (`merged_input.wgsl`, `attention_merge.wgsl`).
//
// First KEY_LANES neighbouring threads score one position of the tile. Then thread = turn * HALF_DIM + pair of elements: turns share the
// positions, and each keeps a highest score and sums of its own until the end, so that a tile costs two barriers.
// Constants: HEADS, KV_HEADS, HEAD_DIM, ROPE_DIM, VALUE_VEC_OFFSET, SCALE, SPLITS, WORKGROUP (>= HEAD_DIM / 2), KEY_LANES (divides
// HEAD_DIM / 8), KEYS (HEAD_DIM / 8 / KEY_LANES), VALUES (values that a thread loads at once).
#include "state.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Query: [tokens][HEADS][HEAD_DIM]
@group(0) @binding(1) var<storage, read> q: array<f32>;
// Keys, then from VALUE_OFFSET words on values; eight f16 an entry: [position][KV_HEADS][HEAD_DIM / 8]
@group(0) @binding(2) var<storage, read> kv: array<vec4<u32>>;
// Output: [tokens][HEADS][HEAD_DIM / 2]; with several splits, unnormalised sums, then a pair of the highest score
// and the sum of weights: [tokens][HEADS][SPLITS][HEAD_DIM / 2 + 1]
@group(0) @binding(3) var<storage, read_write> y: array<vec2<f32>>;

const HALF_DIM: u32 = HEAD_DIM / 2u;
const KEY_VECTORS: u32 = HEAD_DIM / 8u;
// From a position to the next.
const POSITION_VECTORS: u32 = KV_HEADS * KEY_VECTORS;
const TILE: u32 = WORKGROUP / KEY_LANES;
const TURNS: u32 = WORKGROUP / HALF_DIM;
const LOWEST: f32 = -3.0e38;
// Shares of a split are whole multiples of this.
const SHARE_UNIT: u32 = 32u;

// The query, scaled, in the key's order of pairs.
var<workgroup> query: array<vec2<f32>, HALF_DIM>;
// Parts of the scores of a tile: [TILE][KEY_LANES]
var<workgroup> scores: array<f32, WORKGROUP>;
// At the end, each turn's highest score, and each thread's sums of (values.x, values.y, weight).
var<workgroup> highests: array<f32, TURNS>;
var<workgroup> partials: array<vec3<f32>, WORKGROUP>;

// What eight elements of a key add to its score.
fn key_dot(keys: vec4<u32>, vector: u32) -> f32 {
    return dot(unpack2x16float(keys.x), query[4u * vector])
        + dot(unpack2x16float(keys.y), query[4u * vector + 1u])
        + dot(unpack2x16float(keys.z), query[4u * vector + 2u])
        + dot(unpack2x16float(keys.w), query[4u * vector + 3u]);
}

// The score of a place in the tile, or LOWEST past the tile's end.
fn score(place: u32, tile_len: u32) -> f32 {
    let at = min(place, TILE - 1u) * KEY_LANES;
    var sum = 0.0;
    #repeat l KEY_LANES
    sum += scores[at + $lu];
    #end
#ifdef SOFTCAP
    // Beyond 10 tanh is 1, and some implementations overflow.
    sum = SOFTCAP_LIMIT * tanh(clamp(sum / SOFTCAP_LIMIT, -10.0, 10.0));
#endif
    return select(LOWEST, sum, place < tile_len);
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

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let head = group.x;
    let token = group.y;
    if (token >= state.token_count) {
        return;
    }
    let kv_head = head / (HEADS / KV_HEADS);
    let seen = visible(token);
    let share = ((seen.y - seen.x + SPLITS * SHARE_UNIT - 1u) / (SPLITS * SHARE_UNIT)) * SHARE_UNIT;
    let first_position = min(seen.x + group.z * share, seen.y);
    let end_position = min(first_position + share, seen.y);
    let turn = thread / HALF_DIM;
    let pair = thread % HALF_DIM;
    let lane = thread % KEY_LANES;
    let key_base = kv_head * KEY_VECTORS + lane;
    let value_base = VALUE_VEC_OFFSET + kv_head * KEY_VECTORS + pair / 4u;
    let last = max(end_position, 1u) - 1u;

    // All that the first tile needs is under way before the first of it is waited for. Past the end weights are zero, and some
    // position is read again.
    let element = min(thread, HALF_DIM - 1u);
    var elements = vec2<u32>(2u * element, 2u * element + 1u);
#ifdef ROPE_HALF
    if (element < ROPE_DIM / 2u) {
        elements = vec2<u32>(element, element + ROPE_DIM / 2u);
    }
#endif
    let query_base = (token * HEADS + head) * HEAD_DIM;
    let own_query = vec2<f32>(q[query_base + elements.x], q[query_base + elements.y]) * SCALE;
    #repeat k KEYS
    var key$k = kv[key_base + $ku * KEY_LANES + min(first_position + thread / KEY_LANES, last) * POSITION_VECTORS];
    #end
    #repeat u VALUES
    var value$u = kv[value_base + min(first_position + turn + $uu * TURNS, last) * POSITION_VECTORS];
    #end
    if (thread < HALF_DIM) {
        query[thread] = own_query;
    }
    workgroupBarrier();

    var highest = LOWEST;
    // (weighted values, sum of weights)
    var sum = vec3<f32>(0.0);
    for (var start = first_position; start < end_position; start += TILE) {
        var partial = 0.0;
        #repeat k KEYS
        partial += key_dot(key$k, $ku * KEY_LANES + lane);
        #end
        scores[thread] = partial;
        // The next tile's keys.
        #repeat k KEYS
        key$k = kv[key_base + $ku * KEY_LANES + min(start + TILE + thread / KEY_LANES, last) * POSITION_VECTORS];
        #end
        workgroupBarrier();
        let tile_len = min(TILE, end_position - start);
        for (var i = turn; i < tile_len; i += VALUES * TURNS) {
            if (i != turn || start != first_position) {
                #repeat u VALUES
                value$u = kv[value_base + min(start + i + $uu * TURNS, last) * POSITION_VECTORS];
                #end
            }
            var new_highest = highest;
            #repeat u VALUES
            let score$u = score(i + $uu * TURNS, tile_len);
            new_highest = max(new_highest, score$u);
            #end
            sum *= exp(highest - new_highest);
            highest = new_highest;
            #repeat u VALUES
            let weight$u = select(0.0, exp(score$u - highest), i + $uu * TURNS < tile_len);
            sum += weight$u * vec3<f32>(unpack2x16float(value$u[pair % 4u]), 1.0);
            #end
        }
        workgroupBarrier();
    }

    partials[thread] = sum;
    if (pair == 0u && turn < TURNS) {
        highests[turn] = highest;
    }
    workgroupBarrier();
    if (thread < HALF_DIM) {
        for (var i = 0u; i < TURNS; i++) {
            highest = max(highest, highests[i]);
        }
        var total = vec3<f32>(0.0);
        for (var i = 0u; i < TURNS; i++) {
            total += exp(highests[i] - highest) * partials[i * HALF_DIM + thread];
        }
        let row = token * HEADS + head;
        if (SPLITS == 1u) {
            y[row * HALF_DIM + thread] = total.xy / total.z;
        } else {
            let base = (row * SPLITS + group.z) * (HALF_DIM + 1u);
            y[base + thread] = total.xy;
            if (thread == 0u) {
                y[base + HALF_DIM] = vec2<f32>(highest, total.z);
            }
        }
    }
}

// Attention of a batch of queries over the KV cache, with an online softmax over tiles of positions. A query sees the
// positions up to its own, with WINDOW only the last WINDOW of them, with BIDIRECTIONAL all of the batch.
//
// Grid: x: HEADS, y: tokens, z: SPLITS, each of which takes its share of the positions. First each thread scores one
// position of the tile, then the threads share the sum over values: thread = group * HALF_DIM + pair of elements, and
// groups take turns at positions. With more than one split, `attention_merge.wgsl` puts their results together.
// Constants: HEADS, KV_HEADS, HEAD_DIM, ROPE_DIM, VALUE_VEC_OFFSET, SCALE, SPLITS, WORKGROUP (>= HEAD_DIM / 2).
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
const GROUPS: u32 = WORKGROUP / HALF_DIM;
const LOWEST: f32 = -3.0e38;
// Shares of a split are whole multiples of this.
const SHARE_UNIT: u32 = 32u;

// The query, scaled, in the key's order of pairs.
var<workgroup> query: array<vec2<f32>, HALF_DIM>;
// Scores of a tile, then their exponentials.
var<workgroup> scores: array<f32, WORKGROUP>;
// Partial maxima, then partial sums of (values.x, values.y, weight).
var<workgroup> partials: array<vec3<f32>, WORKGROUP>;

fn score(position: u32, kv_head: u32) -> f32 {
    let base = (position * KV_HEADS + kv_head) * (HEAD_DIM / 8u);
    var sum = 0.0;
    for (var i = 0u; i < HEAD_DIM / 8u; i++) {
        let keys = kv[base + i];
        sum += dot(unpack2x16float(keys.x), query[4u * i])
            + dot(unpack2x16float(keys.y), query[4u * i + 1u])
            + dot(unpack2x16float(keys.z), query[4u * i + 2u])
            + dot(unpack2x16float(keys.w), query[4u * i + 3u]);
    }
#ifdef SOFTCAP
    // Beyond 10 tanh is 1, and some implementations overflow.
    sum = SOFTCAP_LIMIT * tanh(clamp(sum / SOFTCAP_LIMIT, -10.0, 10.0));
#endif
    return sum;
}

fn workgroup_max(value: f32, thread: u32) -> f32 {
    partials[thread].x = value;
    workgroupBarrier();
    for (var width = WORKGROUP / 2u; width > 0u; width /= 2u) {
        if (thread < width) {
            partials[thread].x = max(partials[thread].x, partials[thread + width].x);
        }
        workgroupBarrier();
    }
    return partials[0].x;
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
    for (var i = thread; i < HALF_DIM; i += WORKGROUP) {
        let base = (token * HEADS + head) * HEAD_DIM;
        var elements = vec2<u32>(2u * i, 2u * i + 1u);
#ifdef ROPE_HALF
        if (i < ROPE_DIM / 2u) {
            elements = vec2<u32>(i, i + ROPE_DIM / 2u);
        }
#endif
        query[i] = vec2<f32>(q[base + elements.x], q[base + elements.y]) * SCALE;
    }
    workgroupBarrier();

    let turn = thread / HALF_DIM;
    let pair = thread % HALF_DIM;
    var highest = LOWEST;
    // (weighted values, sum of weights)
    var sum = vec3<f32>(0.0);
    for (var start = first_position; start < end_position; start += WORKGROUP) {
        var own_score = LOWEST;
        if (start + thread < end_position) {
            own_score = score(start + thread, kv_head);
        }
        let new_highest = max(highest, workgroup_max(own_score, thread));
        sum *= exp(highest - new_highest);
        highest = new_highest;
        scores[thread] = exp(own_score - highest);
        workgroupBarrier();
        let tile_len = min(WORKGROUP, end_position - start);
        if (turn < GROUPS) {
            // Four loads under way at once. Past the tile's end weights are zero, and some position is read again.
            for (var i = turn; i < tile_len; i += 4u * GROUPS) {
                #repeat u 4
                let i$u = min(i + $uu * GROUPS, WORKGROUP - 1u);
                let position$u = min(start + i$u, end_position - 1u);
                let value$u = kv[VALUE_VEC_OFFSET + (position$u * KV_HEADS + kv_head) * (HEAD_DIM / 8u) + pair / 4u];
                let weight$u = select(0.0, scores[i$u], i + $uu * GROUPS < tile_len);
                #end
                #repeat u 4
                sum += weight$u * vec3<f32>(unpack2x16float(value$u[pair % 4u]), 1.0);
                #end
            }
        }
        workgroupBarrier();
    }

    partials[thread] = sum;
    workgroupBarrier();
    if (thread < HALF_DIM) {
        var total = partials[thread];
        for (var i = 1u; i < GROUPS; i++) {
            total += partials[i * HALF_DIM + thread];
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

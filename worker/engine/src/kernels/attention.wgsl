// Causal attention of a batch of queries over the KV cache, with an online softmax over tiles of positions.
//
// Grid: x: HEADS, y: tokens. First each thread scores one position of the tile, then the threads share the
// sum over values: thread = group * HALF_DIM + pair of elements, and groups take turns at positions.
// Constants: HEADS, KV_HEADS, HEAD_DIM, ROPE_DIM, VALUE_VEC_OFFSET, WORKGROUP (>= HEAD_DIM / 2).
#include "state.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Query: [tokens][HEADS][HEAD_DIM]
@group(0) @binding(1) var<storage, read> q: array<f32>;
// Keys, then from VALUE_OFFSET words on values; eight f16 an entry: [position][KV_HEADS][HEAD_DIM / 8]
@group(0) @binding(2) var<storage, read> kv: array<vec4<u32>>;
// Output: [tokens][HEADS][HEAD_DIM / 2]
@group(0) @binding(3) var<storage, read_write> y: array<vec2<f32>>;

const HALF_DIM: u32 = HEAD_DIM / 2u;
const GROUPS: u32 = WORKGROUP / HALF_DIM;
const LOWEST: f32 = -3.0e38;

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

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let head = group.x;
    let token = group.y;
    if (token >= state.token_count) {
        return;
    }
    let kv_head = head / (HEADS / KV_HEADS);
    let position_count = state.position + token + 1u;
    for (var i = thread; i < HALF_DIM; i += WORKGROUP) {
        let base = (token * HEADS + head) * HEAD_DIM;
        var elements = vec2<u32>(2u * i, 2u * i + 1u);
#ifdef ROPE_HALF
        if (i < ROPE_DIM / 2u) {
            elements = vec2<u32>(i, i + ROPE_DIM / 2u);
        }
#endif
        query[i] = vec2<f32>(q[base + elements.x], q[base + elements.y]) * inverseSqrt(f32(HEAD_DIM));
    }
    workgroupBarrier();

    let turn = thread / HALF_DIM;
    let pair = thread % HALF_DIM;
    var highest = LOWEST;
    // (weighted values, sum of weights)
    var sum = vec3<f32>(0.0);
    for (var start = 0u; start < position_count; start += WORKGROUP) {
        var own_score = LOWEST;
        if (start + thread < position_count) {
            own_score = score(start + thread, kv_head);
        }
        let new_highest = max(highest, workgroup_max(own_score, thread));
        sum *= exp(highest - new_highest);
        highest = new_highest;
        scores[thread] = exp(own_score - highest);
        workgroupBarrier();
        let tile_len = min(WORKGROUP, position_count - start);
        if (turn < GROUPS) {
            for (var i = turn; i < tile_len; i += GROUPS) {
                let value = kv[VALUE_VEC_OFFSET + ((start + i) * KV_HEADS + kv_head) * (HEAD_DIM / 8u) + pair / 4u];
                sum += scores[i] * vec3<f32>(unpack2x16float(value[pair % 4u]), 1.0);
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
        y[(token * HEADS + head) * HALF_DIM + thread] = total.xy / total.z;
    }
}

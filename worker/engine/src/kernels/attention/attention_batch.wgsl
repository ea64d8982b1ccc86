// Attention of a batch of queries over the KV cache, with an online softmax over tiles of positions. `attention.wgsl`
// does the same for one token.
//
// Grid: x: HEADS, y: tokens. First, each thread scores one position of the tile. Then the threads share the sum over
// values: thread = group * VALUE_PAIRS + pair of elements, and the groups alternate between positions.
// Constants: HEADS, KV_HEADS, HEAD_DIM, VALUE_DIM, ROPE_DIM, VALUE_VEC_OFFSET, ROW_VECTORS, VALUE_ROW_VECTORS,
// VALUE_SCALES (entries of a row of values before its scales), SCALE, WORKGROUP (>= VALUE_DIM / 2).
#include "attention/attention_common.wgsl"

const GROUPS: u32 = WORKGROUP / VALUE_PAIRS;

// Scores of a tile, then their exponentials.
var<workgroup> scores: array<f32, WORKGROUP>;
// Partial maxima, then partial sums of (values.x, values.y, weight).
var<workgroup> partials: array<vec3<f32>, WORKGROUP>;

fn score(sequence: u32, position: u32, kv_head: u32) -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < KEY_VECTORS; i++) {
        sum += key_dot(load_key(sequence, position, kv_head * KEY_VECTORS + i), i);
    }
    return soft_capped(sum);
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
    let sequence = sequence_of(token);
    let seen = visible(token);
    for (var i = thread; i < HALF_DIM; i += WORKGROUP) {
        query[i] = scaled_query(token, head, i);
    }
    workgroupBarrier();

    let turn = thread / VALUE_PAIRS;
    let pair = thread % VALUE_PAIRS;
    var highest = LOWEST;
    // (weighted values, sum of weights)
    var sum = vec3<f32>(0.0);
#ifdef SINKS
    // As if it came first.
    highest = sinks[head];
    if (turn == 0u) {
        sum.z = 1.0;
    }
#endif
    for (var start = seen.x; start < seen.y; start += WORKGROUP) {
        var own_score = LOWEST;
        if (start + thread < seen.y) {
            own_score = score(sequence, start + thread, kv_head);
#ifdef ALIBI
            own_score += distance_bias(token, head, start + thread);
#endif
        }
        let new_highest = max(highest, workgroup_max(own_score, thread));
        sum *= exp(highest - new_highest);
        highest = new_highest;
        scores[thread] = exp(own_score - highest);
        workgroupBarrier();
        let tile_len = min(WORKGROUP, seen.y - start);
        if (turn < GROUPS) {
            // Four loads in flight at once. Past the tile's end weights are zero, and some position is read again.
            for (var i = turn; i < tile_len; i += 4u * GROUPS) {
                #repeat u 4
                let i$u = min(i + $uu * GROUPS, WORKGROUP - 1u);
                let position$u = min(start + i$u, seen.y - 1u);
                let value$u = load_value(sequence, position$u, kv_head * VALUE_VECTORS + pair / 4u);
                let weight$u = select(0.0, scores[i$u], i + $uu * GROUPS < tile_len);
                #end
                #repeat u 4
                sum += weight$u * vec3<f32>(pair_of(value$u, pair % 4u), 1.0);
                #end
            }
        }
        workgroupBarrier();
    }

    partials[thread] = sum;
    workgroupBarrier();
    if (thread < VALUE_PAIRS) {
        var total = partials[thread];
        for (var i = 1u; i < GROUPS; i++) {
            total += partials[i * VALUE_PAIRS + thread];
        }
        let row = token * HEADS + head;
        y[row * VALUE_PAIRS + thread] = total.xy / total.z;
    }
}

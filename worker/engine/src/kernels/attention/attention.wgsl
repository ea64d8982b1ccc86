// Attention of one token over the KV cache, with an online softmax over tiles of positions; minimises waiting.
// `attention_batch.wgsl` does the same for many tokens and minimises computation.
//
// Grid: x: HEADS, y: tokens, z: SPLITS, each of which takes its share of the positions. With more than one split, the
// next kernel merges their results (`merged_input.wgsl`, `attention_merge.wgsl`).
//
// With PROJECTED, for one token, each workgroup multiplies the parts of query, key and value that it needs
// (`projected_head.wgsl`). The last split is then the token's own position, which two workgroups share: one for its
// score, one for its value.
//
// First, KEY_LANES neighbouring threads score one position of the tile. Then thread = turn * VALUE_VECTORS + vector of
// eight elements: the turns share the positions, and each keeps its own highest score and sums until the end, so that a
// tile costs only two barriers.
// Constants: those of `attention_batch.wgsl`, SPLITS, KEY_LANES (divides HEAD_DIM / 8), KEYS (HEAD_DIM / 8 /
// KEY_LANES), VALUES (values that a thread loads at once), QUERY_LOADS (pairs of the query that a thread loads).
#include "attention/attention_common.wgsl"
#ifdef PROJECTED
#include "attention/projected_head.wgsl"
const CACHE_SPLITS: u32 = SPLITS - 1u;
#else
const CACHE_SPLITS: u32 = SPLITS;
#endif

const TILE: u32 = WORKGROUP / KEY_LANES;
const TURNS: u32 = WORKGROUP / VALUE_VECTORS;
// Shares of a split are multiples of this.
const SHARE_UNIT: u32 = 32u;

// Partial scores of a tile: [TILE][KEY_LANES]
var<workgroup> scores: array<f32, WORKGROUP>;
// At the end: each turn's highest score and sum of weights, and each thread's sums of weighted values:
// [turn][VALUE_PAIRS]
var<workgroup> highests: array<f32, TURNS>;
var<workgroup> totals: array<f32, TURNS>;
var<workgroup> partials: array<vec2<f32>, 4u * WORKGROUP>;

// The score of a position in the tile, or LOWEST past the tile's end.
fn score(place: u32, tile_len: u32) -> f32 {
    let at = min(place, TILE - 1u) * KEY_LANES;
    var sum = 0.0;
    #repeat l KEY_LANES
    sum += scores[at + $lu];
    #end
    return select(LOWEST, soft_capped(sum), place < tile_len);
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
    var seen = visible(token);
#ifdef PROJECTED
    seen.y -= 1u;
#endif
    let share = ((seen.y - seen.x + CACHE_SPLITS * SHARE_UNIT - 1u) / (CACHE_SPLITS * SHARE_UNIT)) * SHARE_UNIT;
    let first_position = min(seen.x + group.z * share, seen.y);
    let end_position = min(first_position + share, seen.y);
    let turn = thread / VALUE_VECTORS;
    let vector = thread % VALUE_VECTORS;
    let lane = thread % KEY_LANES;
    let key_vector = kv_head * KEY_VECTORS + lane;
    let value_vector = kv_head * VALUE_VECTORS + vector;
    let last = max(end_position, 1u) - 1u;

    // All loads for the first tile are issued before the first one is needed. Past the end weights are zero, and some
    // position is read again.
#ifdef PROJECTED
#else
    #repeat i QUERY_LOADS
    let own_query$i = scaled_query(token, head, $iu * WORKGROUP + thread);
    #end
#endif
    #repeat k KEYS
    var key$k = load_key(sequence, min(first_position + thread / KEY_LANES, last), key_vector + $ku * KEY_LANES);
    #end
    #repeat u VALUES
    var value$u = load_value(sequence, min(first_position + turn + $uu * TURNS, last), value_vector);
    #end
#ifdef PROJECTED
    let scale = project(select(head, HEADS + KV_HEADS + kv_head, group.z > CACHE_SPLITS), thread);
    let own_part = (head * SPLITS + CACHE_SPLITS) * (VALUE_PAIRS + 1u);
    if (group.z > CACHE_SPLITS) {
        attend_to_own_value(head, kv_head, own_part, thread);
        return;
    }
    if (group.z == CACHE_SPLITS) {
        attend_to_own_key(head, kv_head, own_part, scale, thread);
        return;
    }
#else
    #repeat i QUERY_LOADS
    if ($iu * WORKGROUP + thread < HALF_DIM) {
        query[$iu * WORKGROUP + thread] = own_query$i;
    }
    #end
#endif
    workgroupBarrier();

    var highest = LOWEST;
    #repeat e 4
    var sum$e = vec2<f32>(0.0);
    #end
    var total = 0.0;
#ifdef SINKS
    // As if it came first, in the first split.
    if (turn == 0u && group.z == 0u) {
        highest = sinks[head];
        total = 1.0;
    }
#endif
    for (var start = first_position; start < end_position; start += TILE) {
        var partial = 0.0;
        #repeat k KEYS
        partial += key_dot(key$k, $ku * KEY_LANES + lane);
        #end
        scores[thread] = partial;
        // The next tile's keys.
        #repeat k KEYS
        key$k = load_key(sequence, min(start + TILE + thread / KEY_LANES, last), key_vector + $ku * KEY_LANES);
        #end
        workgroupBarrier();
        let tile_len = min(TILE, end_position - start);
        for (var i = turn; i < tile_len; i += VALUES * TURNS) {
            if (i != turn || start != first_position) {
                #repeat u VALUES
                value$u = load_value(sequence, min(start + i + $uu * TURNS, last), value_vector);
                #end
            }
            var new_highest = highest;
            #repeat u VALUES
            let score$u = score(i + $uu * TURNS, tile_len);
            new_highest = max(new_highest, score$u);
            #end
            let factor = exp(highest - new_highest);
            highest = new_highest;
            total *= factor;
            #repeat e 4
            sum$e *= factor;
            #end
            #repeat u VALUES
            let weight$u = select(0.0, exp(score$u - highest), i + $uu * TURNS < tile_len);
            total += weight$u;
            let pairs$u = pairs_of(value$u);
            #repeat e 4
            sum$e += weight$u * pairs$u[$e];
            #end
            #end
        }
        workgroupBarrier();
    }

    #repeat e 4
    partials[4u * thread + $eu] = sum$e;
    #end
    if (vector == 0u && turn < TURNS) {
        highests[turn] = highest;
        totals[turn] = total;
    }
    workgroupBarrier();
    if (thread < VALUE_PAIRS) {
        for (var i = 0u; i < TURNS; i++) {
            highest = max(highest, highests[i]);
        }
        var all = vec3<f32>(0.0);
        for (var i = 0u; i < TURNS; i++) {
            all += exp(highests[i] - highest) * vec3<f32>(partials[i * VALUE_PAIRS + thread], totals[i]);
        }
        let row = token * HEADS + head;
        if (SPLITS == 1u) {
            y[row * VALUE_PAIRS + thread] = all.xy / all.z;
        } else {
            let base = (row * SPLITS + group.z) * (VALUE_PAIRS + 1u);
            y[base + thread] = all.xy;
            if (thread == 0u) {
                y[base + VALUE_PAIRS] = vec2<f32>(highest, all.z);
            }
        }
    }
}

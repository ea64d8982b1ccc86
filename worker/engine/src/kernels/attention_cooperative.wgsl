// Attention of a batch of queries on an adapter's matrix units, with f16 products and f32 sums.
//
// A workgroup takes the queries of ROWS / GROUP tokens for all GROUP heads that share a head of the cache; a subgroup 16 of these
// ROWS. Cooperative matrices cannot be scaled row by row, as an online softmax needs. So a first pass over the keys finds each
// row's highest score and the sum of its weights, and a second one computes the scores again and adds up weighted values.
//
// Grid: x: KV_HEADS, z: ceil(tokens / TILE_TOKENS), TILE_TOKENS = ROWS / GROUP rounded down.
// Constants: those of `attention_batch.wgsl`; GROUP = HEADS / KV_HEADS; HEAD_TILES = HEAD_DIM / 16; TILE_TOKENS; SUBGROUP: 32.
enable wgpu_cooperative_matrix;
#include "attention_common.wgsl"
#include "to_half.wgsl"

const ROWS: u32 = WORKGROUP / SUBGROUP * 16u;
// Positions between two barriers.
const TILE_KEYS: u32 = 32u;
// Fours of elements: of a head, from one row of a tile to the next (so that rows lie in different banks), and the same of weights.
const QUADS: u32 = HEAD_DIM / 4u;
const STRIDE: u32 = QUADS + 2u;
const VALUE_TILE: u32 = TILE_KEYS * STRIDE;
const WEIGHT_STRIDE: u32 = TILE_KEYS / 4u + 2u;

// Queries: [ROWS][STRIDE], of four elements each
var<workgroup> queries: array<vec4<f16>, ROWS * STRIDE>;
// Keys, then from VALUE_TILE on values: [2][TILE_KEYS][STRIDE]
var<workgroup> cached: array<vec4<f16>, 2u * VALUE_TILE>;
// Scores, and results at the end: [ROWS][TILE_KEYS]
var<workgroup> scores: array<f32, ROWS * TILE_KEYS>;
// Weights: [ROWS][WEIGHT_STRIDE], of four positions each
var<workgroup> weights: array<vec4<f16>, ROWS * WEIGHT_STRIDE>;
// Zeros while scores are computed, for sums to begin with; between the passes the highest score and the sum of weights of each row's even
// and odd fours of positions, [ROWS][2][2], and at the end the sum of each row's: [ROWS]
var<workgroup> totals: array<f32, 4u * ROWS>;

// Brings TILE_KEYS positions of keys (`part` 0) or values (1) into workgroup memory; past `end` the last one again.
fn load_tile(part: u32, start: u32, end: u32, kv_head: u32, thread: u32) {
    for (var i = thread; i < TILE_KEYS * QUADS; i += WORKGROUP) {
        let position = min(start + i / QUADS, end - 1u);
        let place = (position * KV_HEADS + kv_head) * QUADS + i % QUADS;
        cached[part * VALUE_TILE + i / QUADS * STRIDE + i % QUADS] = kv[part * 2u * VALUE_VEC_OFFSET + place];
    }
}

fn clear_totals(thread: u32) {
    for (var i = thread; i < 4u * ROWS; i += WORKGROUP) {
        totals[i] = 0.0;
    }
}

// The subgroup's scores of the keys in workgroup memory.
fn score_keys(first_row: u32) {
    #repeat k 2
    var sum$k = coopLoad<coop_mat16x16<f32, C>>(&totals[0], 16u);
    #end
    for (var i = 0u; i < QUADS; i += 4u) {
        let q = coopLoadT<coop_mat16x16<f16, A>>(&queries[first_row * STRIDE + i], STRIDE);
        #repeat k 2
        sum$k = coopMultiplyAdd(q, coopLoad<coop_mat16x16<f16, B>>(&cached[$ku * 16u * STRIDE + i], STRIDE), sum$k);
        #end
    }
    #repeat k 2
    coopStoreT(sum$k, &scores[first_row * TILE_KEYS + $ku * 16u], TILE_KEYS);
    #end
}

// A row's score of the key at `place` of the tile, or LOWEST where the row does not see it.
fn seen_score(row: u32, place: u32, position: u32, seen: vec2<u32>) -> f32 {
    return select(LOWEST, soft_capped(scores[row * TILE_KEYS + place]), position >= seen.x && position < seen.y);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let kv_head = group.x;
    let first_token = group.z * TILE_TOKENS;
    let last_token = min(first_token + TILE_TOKENS, state.token_count) - 1u;
    let first_row = subgroup * 16u;
    clear_totals(thread);
    for (var i = thread; i < ROWS * QUADS; i += WORKGROUP) {
        let row = i / QUADS;
        let quad = i % QUADS;
        let token = min(first_token + row / GROUP, last_token);
        let head = kv_head * GROUP + row % GROUP;
        let value = vec4<f32>(scaled_query(token, head, 2u * quad), scaled_query(token, head, 2u * quad + 1u));
        queries[row * STRIDE + quad] = to_half(value);
    }
    // Two threads share a row: one takes the even fours of positions, one the odd ones.
    let row = first_row + lane / 2u;
    let turn = lane % 2u;
    let seen = visible(min(first_token + row / GROUP, last_token));
    let begin = visible(first_token).x / TILE_KEYS * TILE_KEYS;
    let end = visible(last_token).y;

    var highest = LOWEST;
    var sum = 0.0;
    for (var start = begin; start < end; start += TILE_KEYS) {
        load_tile(0u, start, end, kv_head, thread);
        workgroupBarrier();
        score_keys(first_row);
        workgroupBarrier();
        var tile_highest = highest;
        for (var i = 4u * turn; i < TILE_KEYS; i += 8u) {
            #repeat j 4
            tile_highest = max(tile_highest, seen_score(row, i + $ju, start + i + $ju, seen));
            #end
        }
        sum *= exp(highest - tile_highest);
        highest = tile_highest;
        for (var i = 4u * turn; i < TILE_KEYS; i += 8u) {
            #repeat j 4
            {
                let score = seen_score(row, i + $ju, start + i + $ju, seen);
                sum += select(0.0, exp(score - highest), score > LOWEST);
            }
            #end
        }
    }
    workgroupBarrier();
    totals[4u * row + 2u * turn] = highest;
    totals[4u * row + 2u * turn + 1u] = sum;
    workgroupBarrier();
    let other = 4u * row + 2u - 2u * turn;
    let row_highest = max(highest, totals[other]);
    let row_sum = sum * exp(highest - row_highest) + totals[other + 1u] * exp(totals[other] - row_highest);
    workgroupBarrier();
    clear_totals(thread);
    workgroupBarrier();

    #repeat h HEAD_TILES
    var result$h = coopLoad<coop_mat16x16<f32, C>>(&totals[0], 16u);
    #end
    for (var start = begin; start < end; start += TILE_KEYS) {
        workgroupBarrier();
        load_tile(0u, start, end, kv_head, thread);
        load_tile(1u, start, end, kv_head, thread);
        workgroupBarrier();
        score_keys(first_row);
        workgroupBarrier();
        for (var i = 4u * turn; i < TILE_KEYS; i += 8u) {
            var weight = vec4<f32>();
            #repeat j 4
            weight[$j] = exp(seen_score(row, i + $ju, start + i + $ju, seen) - row_highest);
            #end
            weights[row * WEIGHT_STRIDE + i / 4u] = vec4<f16>(weight);
        }
        workgroupBarrier();
        #repeat k 2
        let weight$k = coopLoadT<coop_mat16x16<f16, A>>(&weights[first_row * WEIGHT_STRIDE + $ku * 4u], WEIGHT_STRIDE);
        #end
        #repeat h HEAD_TILES
        #repeat k 2
        result$h = coopMultiplyAdd(
            weight$k,
            coopLoadT<coop_mat16x16<f16, B>>(&cached[VALUE_TILE + $ku * 16u * STRIDE + $hu * 4u], STRIDE),
            result$h,
        );
        #end
        #end
    }

    workgroupBarrier();
    totals[row] = row_sum;
    #repeat h HEAD_TILES
    workgroupBarrier();
    coopStoreT(result$h, &scores[first_row * TILE_KEYS], TILE_KEYS);
    workgroupBarrier();
    for (var i = lane; i < 128u; i += SUBGROUP) {
        let result_row = first_row + i / 8u;
        let token = first_token + result_row / GROUP;
        if (result_row < TILE_TOKENS * GROUP && token < state.token_count) {
            let place = result_row * TILE_KEYS + i % 8u * 2u;
            let pair = vec2<f32>(scores[place], scores[place + 1u]) / totals[result_row];
            y[(token * HEADS + kv_head * GROUP + result_row % GROUP) * HALF_DIM + $hu * 8u + i % 8u] = pair;
        }
    }
    #end
}

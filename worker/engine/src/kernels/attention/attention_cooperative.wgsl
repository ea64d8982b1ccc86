// Attention of a batch of queries on an adapter's matrix units, with f16 products and f32 sums.
//
// A workgroup takes the queries of ROWS / GROUP tokens for all GROUP heads that share a key head; a subgroup takes 16
// of these ROWS, with their queries and results in its cooperative matrices. The softmax is online, in one pass over
// the keys: weights are relative to a reference score of each row. Cooperative matrices cannot be scaled row by row, so
// results are scaled, through workgroup memory, only when some row's score exceeds its reference by more than SLACK.
// That is rare: usually the first keys have the highest score (FlashAttention-4 rescales as rarely).
//
// Nothing waits for the cache: values are loaded while keys are multiplied, and the next keys while values are. Parts of a
// step are repeated in the text, because compilers do not unroll loops to which wgpu adds a bound, and each turn of such a
// loop would wait for its own load.
//
// Grid: x: KV_HEADS, z: ceil(tokens / TILE_TOKENS), TILE_TOKENS = ROWS / GROUP rounded down.
// Constants: those of `attention_batch.wgsl`; GROUP = HEADS / KV_HEADS; HEAD_TILES = ceil(HEAD_DIM / 16); TILE_TOKENS;
// SUBGROUP: 32; TILE_LOADS = TILE_KEYS * HEAD_DIM / 4 / WORKGROUP; SCORE_LOADS = TILE_KEYS / 8.
enable wgpu_cooperative_matrix;
#include "attention/attention_common.wgsl"
#include "shared/to_half.wgsl"

const ROWS: u32 = WORKGROUP / SUBGROUP * 16u;
// Positions per step: the same number as ROWS, because the queries pass through the same memory.
const TILE_KEYS: u32 = ROWS;
// Maximum by which a score may exceed its row's reference: weights of up to e^8 are far below the largest f16.
const SLACK: f32 = 8.0;
// Groups of four elements: per head, as it is and in whole matrices; from one row of a tile to the next (so that rows
// are in different banks); of scores and of weights.
const QUADS: u32 = HEAD_DIM / 4u;
const TILE_QUADS: u32 = HEAD_TILES * 4u;
const STRIDE: u32 = TILE_QUADS + 2u;
const SCORE_STRIDE: u32 = TILE_KEYS / 4u + 1u;
const WEIGHT_STRIDE: u32 = TILE_KEYS / 4u + 2u;

// Queries at first, then alternately keys and values: [TILE_KEYS][STRIDE], of four elements each
var<workgroup> tile: array<vec4<f16>, TILE_KEYS * STRIDE>;
// Scores, or results while they are scaled: [ROWS][SCORE_STRIDE], of four positions each
var<workgroup> scores: array<vec4<f32>, ROWS * SCORE_STRIDE>;
// Weights: [ROWS][WEIGHT_STRIDE], of four positions each
var<workgroup> weights: array<vec4<f16>, ROWS * WEIGHT_STRIDE>;
// Initial values of sums: [16][4]
var<workgroup> zeros: array<vec4<f32>, 64>;
// 1 if the results of some row have to be scaled in this step.
var<workgroup> must_scale: u32;

// The entry of the cache for four elements of a position's key; past `end` the last one's. Those of its value lie
// 2 VALUE_VEC_OFFSET later.
fn entry(position: u32, end: u32, kv_head: u32, quad: u32) -> u32 {
    return (cache_row(sequence_of(0u), min(position, end - 1u)) * KV_HEADS + kv_head) * QUADS + quad;
}

// Four scores; LOWEST for positions that the row does not attend to.
fn seen_scores(place: u32, position: u32, seen: vec2<u32>) -> vec4<f32> {
    let positions = position + vec4<u32>(0u, 1u, 2u, 3u);
    let raw = scores[place];
    let capped = vec4<f32>(soft_capped(raw.x), soft_capped(raw.y), soft_capped(raw.z), soft_capped(raw.w));
    return select(vec4<f32>(LOWEST), capped, (positions >= vec4<u32>(seen.x)) & (positions < vec4<u32>(seen.y)));
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let kv_head = group.x;
    // The last tokens attend to the most positions. They start first, so that no long workgroup is left at the end.
    let first_token = (groups.z - 1u - group.z) * TILE_TOKENS;
    let last_token = min(first_token + TILE_TOKENS, state.token_count) - 1u;
    let first_row = subgroup * 16u;
    for (var i = thread; i < 64u; i += WORKGROUP) {
        zeros[i] = vec4<f32>();
    }
    // Past the end of a head there are zeros.
    for (var i = thread; i < TILE_KEYS; i += WORKGROUP) {
        for (var quad = QUADS; quad < TILE_QUADS; quad++) {
            tile[i * STRIDE + quad] = vec4<f16>();
        }
    }
    for (var i = thread; i < ROWS * QUADS; i += WORKGROUP) {
        let row = i / QUADS;
        let quad = i % QUADS;
        let token = min(first_token + row / GROUP, last_token);
        let head = kv_head * GROUP + row % GROUP;
        let value = vec4<f32>(scaled_query(token, head, 2u * quad), scaled_query(token, head, 2u * quad + 1u));
        tile[row * STRIDE + quad] = to_half(value);
    }
    workgroupBarrier();
    #repeat h HEAD_TILES
    let query$h = coopLoadT<coop_mat16x16<f16, A>>(&tile[first_row * STRIDE + $hu * 4u], STRIDE);
    var result$h = coopLoad<coop_mat16x16<f32, C>>(&zeros[0], 4u);
    #end

    // Two threads share a row: each takes half of a step's positions.
    let row = first_row + lane % 16u;
    let half = lane / 16u;
    let own_scores = row * SCORE_STRIDE + half * (TILE_KEYS / 8u);
    let own_weights = row * WEIGHT_STRIDE + half * (TILE_KEYS / 8u);
    let seen = visible(min(first_token + row / GROUP, last_token));
    let begin = visible(first_token).x / TILE_KEYS * TILE_KEYS;
    let end = visible(last_token).y;

    #repeat l TILE_LOADS
    let position$l = (thread + $lu * WORKGROUP) / QUADS;
    let quad$l = (thread + $lu * WORKGROUP) % QUADS;
    var key$l = kv[entry(begin + position$l, end, kv_head, quad$l)];
    #end
    var reference = LOWEST;
    var sum = 0.0;
    for (var start = begin; start < end; start += TILE_KEYS) {
        workgroupBarrier();
        must_scale = 0u;
        #repeat l TILE_LOADS
        tile[position$l * STRIDE + quad$l] = key$l;
        #end
        workgroupBarrier();
        #repeat l TILE_LOADS
        let value$l = kv[2u * VALUE_VEC_OFFSET + entry(start + position$l, end, kv_head, quad$l)];
        #end
        #repeat k 4
        var score$k = coopLoad<coop_mat16x16<f32, C>>(&zeros[0], 4u);
        #end
        #repeat h HEAD_TILES
        #repeat k 4
        score$k = coopMultiplyAdd(
            query$h,
            coopLoad<coop_mat16x16<f16, B>>(&tile[$ku * 16u * STRIDE + $hu * 4u], STRIDE),
            score$k,
        );
        #end
        #end
        #repeat k 4
        coopStoreT(score$k, &scores[first_row * SCORE_STRIDE + $ku * 4u], SCORE_STRIDE);
        #end
        workgroupBarrier();

        #repeat l TILE_LOADS
        tile[position$l * STRIDE + quad$l] = value$l;
        key$l = kv[entry(start + TILE_KEYS + position$l, end, kv_head, quad$l)];
        #end
        let first_position = start + half * (TILE_KEYS / 2u);
        var highest = vec4<f32>(LOWEST);
        #repeat i SCORE_LOADS
        let own$i = seen_scores(own_scores + $iu, first_position + 4u * $iu, seen);
        highest = max(highest, own$i);
        #end
        var row_highest = max(max(highest.x, highest.y), max(highest.z, highest.w));
        row_highest = max(row_highest, subgroupShuffleXor(row_highest, 16u));
        var factor = 1.0;
        if (row_highest > reference + SLACK) {
            if (reference > LOWEST) {
                factor = exp(reference - row_highest);
                must_scale = 1u;
            }
            reference = row_highest;
        }
        sum *= factor;
        var sums = vec4<f32>();
        #repeat i SCORE_LOADS
        let weight$i = select(vec4<f32>(), exp(own$i - reference), own$i > vec4<f32>(LOWEST));
        weights[own_weights + $iu] = vec4<f16>(weight$i);
        sums += weight$i;
        #end
        sum += sums.x + sums.y + sums.z + sums.w;

        // Also the barrier between writing and reading values and weights.
        if (workgroupUniformLoad(&must_scale) == 1u) {
            let own = row * SCORE_STRIDE + half * 2u;
            #repeat h HEAD_TILES
            coopStoreT(result$h, &scores[first_row * SCORE_STRIDE], SCORE_STRIDE);
            workgroupBarrier();
            scores[own] *= factor;
            scores[own + 1u] *= factor;
            workgroupBarrier();
            result$h = coopLoadT<coop_mat16x16<f32, C>>(&scores[first_row * SCORE_STRIDE], SCORE_STRIDE);
            workgroupBarrier();
            #end
        }
        #repeat k 4
        {
            let weight = coopLoadT<coop_mat16x16<f16, A>>(&weights[first_row * WEIGHT_STRIDE + $ku * 4u], WEIGHT_STRIDE);
            #repeat h HEAD_TILES
            result$h = coopMultiplyAdd(
                weight,
                coopLoadT<coop_mat16x16<f16, B>>(&tile[$ku * 16u * STRIDE + $hu * 4u], STRIDE),
                result$h,
            );
            #end
        }
        #end
    }

    var total = sum + subgroupShuffleXor(sum, 16u);
#ifdef SINKS
    // Far above all scores, so that they hardly count, it is still finite.
    total += exp(min(sinks[kv_head * GROUP + row % GROUP] - reference, 80.0));
#endif
    let token = first_token + row / GROUP;
    let is_there = row < TILE_TOKENS * GROUP && token < state.token_count;
    let place = (token * HEADS + kv_head * GROUP + row % GROUP) * HALF_DIM + half * 4u;
    #repeat h HEAD_TILES
    workgroupBarrier();
    coopStoreT(result$h, &scores[first_row * SCORE_STRIDE], SCORE_STRIDE);
    workgroupBarrier();
    if (is_there) {
        for (var i = 0u; i < 2u && $hu * 4u + half * 2u + i < QUADS; i++) {
#ifdef HALVES
            let values = to_half(scores[row * SCORE_STRIDE + half * 2u + i] / total);
#else
            let values = scores[row * SCORE_STRIDE + half * 2u + i] / total;
#endif
            y[place + $hu * 8u + 2u * i] = values.xy;
            y[place + $hu * 8u + 2u * i + 1u] = values.zw;
        }
    }
    #end
}

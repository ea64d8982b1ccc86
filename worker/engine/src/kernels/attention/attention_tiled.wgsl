// Attention of a batch of queries with tiles in workgroup memory, so that each key and value is loaded once for QUERIES
// tokens. The softmax is online, over steps of STEP positions.
//
// First, LANES threads share a query: each scores every LANES-th position of a step. Then a thread sums the values of
// four elements, for every ROW_GROUPS-th query.
// Grid: x: HEADS, z: ceil(tokens / QUERIES). Constants: those of `attention_batch.wgsl`; QUERIES = WORKGROUP / 8;
// RESULTS = ceil(QUERIES / (WORKGROUP / QUADS)), the queries of a thread.
#include "attention/attention_common.wgsl"

const LANES: u32 = WORKGROUP / QUERIES;
const STEP: u32 = 4u * LANES;
// Groups of four elements per head, and from one row of a tile to the next, so that rows are in different banks.
const QUADS: u32 = HEAD_DIM / 4u;
const STRIDE: u32 = QUADS + 1u;
const ROW_GROUPS: u32 = WORKGROUP / QUADS;

// [QUERIES][STRIDE]
var<workgroup> queries: array<vec4<f32>, QUERIES * STRIDE>;
// Alternately keys and values, as in the cache: [STEP][STRIDE]
var<workgroup> tile: array<vec2<u32>, STEP * STRIDE>;
// Weights of four positions, which are LANES apart: [QUERIES][LANES]
var<workgroup> weights: array<vec4<f32>, WORKGROUP>;
// Highest scores, then sums of weights: [QUERIES][LANES]
var<workgroup> partials: array<f32, WORKGROUP>;
// Factors of the results so far: [QUERIES]
var<workgroup> factors: array<f32, QUERIES>;

// Loads STEP positions of keys, or of values, into workgroup memory; past `end` the last one again.
fn load_tile(is_value: bool, start: u32, end: u32, kv_head: u32, thread: u32) {
    let sequence = sequence_of(0u);
    for (var i = thread; i < STEP * KEY_VECTORS; i += WORKGROUP) {
        let position = min(start + i / KEY_VECTORS, end - 1u);
        let vector = i % KEY_VECTORS;
        var eight = vec4<u32>();
        if (is_value) {
            eight = load_value(sequence, position, kv_head * KEY_VECTORS + vector);
        } else {
            eight = load_key(sequence, position, kv_head * KEY_VECTORS + vector);
        }
        let place = i / KEY_VECTORS * STRIDE + 2u * vector;
        tile[place] = eight.xy;
        tile[place + 1u] = eight.zw;
    }
}

fn four(place: u32) -> vec4<f32> {
    let words = tile[place];
    return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let head = group.x;
    let kv_head = head / (HEADS / KV_HEADS);
    let first_token = group.z * QUERIES;
    if (first_token >= state.token_count) {
        return;
    }
    let last_token = min(first_token + QUERIES, state.token_count) - 1u;
    for (var i = thread; i < QUERIES * QUADS; i += WORKGROUP) {
        let token = min(first_token + i / QUADS, last_token);
        let quad = i % QUADS;
        queries[i / QUADS * STRIDE + quad] =
            vec4<f32>(scaled_query(token, head, 2u * quad), scaled_query(token, head, 2u * quad + 1u));
    }

    let row = thread / LANES;
    let lane = thread % LANES;
    let seen = visible(min(first_token + row, last_token));
    let begin = visible(first_token).x;
    let end = visible(last_token).y;
    let quad = thread % QUADS;
    let turn = thread / QUADS;
    var highest = LOWEST;
    var sum = 0.0;
    #repeat r RESULTS
    let row$r = min(turn + $ru * ROW_GROUPS, QUERIES - 1u);
    var result$r = vec4<f32>();
    #end
    for (var start = begin; start < end; start += STEP) {
        load_tile(false, start, end, kv_head, thread);
        workgroupBarrier();
        var own = vec4<f32>();
        for (var i = 0u; i < QUADS; i++) {
            let query = queries[row * STRIDE + i];
            let place = lane * STRIDE + i;
            own += vec4<f32>(
                dot(query, four(place)),
                dot(query, four(place + LANES * STRIDE)),
                dot(query, four(place + 2u * LANES * STRIDE)),
                dot(query, four(place + 3u * LANES * STRIDE)),
            );
        }
        own = vec4<f32>(soft_capped(own.x), soft_capped(own.y), soft_capped(own.z), soft_capped(own.w));
        let positions = start + lane + LANES * vec4<u32>(0u, 1u, 2u, 3u);
        let is_seen = (positions >= vec4<u32>(seen.x)) & (positions < vec4<u32>(seen.y));
        own = select(vec4<f32>(LOWEST), own, is_seen);
        partials[thread] = max(max(own.x, own.y), max(own.z, own.w));
        workgroupBarrier();

        load_tile(true, start, end, kv_head, thread);
        let previous = highest;
        for (var i = 0u; i < LANES; i++) {
            highest = max(highest, partials[row * LANES + i]);
        }
        let weight = select(vec4<f32>(), exp(own - highest), is_seen);
        let factor = exp(previous - highest);
        sum = sum * factor + weight.x + weight.y + weight.z + weight.w;
        weights[thread] = weight;
        if (lane == 0u) {
            factors[row] = factor;
        }
        workgroupBarrier();
        if (turn < ROW_GROUPS) {
            #repeat r RESULTS
            result$r *= factors[row$r];
            #end
            for (var i = 0u; i < LANES; i++) {
                let place = i * STRIDE + quad;
                let values = mat4x4<f32>(
                    four(place),
                    four(place + LANES * STRIDE),
                    four(place + 2u * LANES * STRIDE),
                    four(place + 3u * LANES * STRIDE),
                );
                #repeat r RESULTS
                result$r += values * weights[row$r * LANES + i];
                #end
            }
        }
        workgroupBarrier();
    }

    partials[thread] = sum;
    workgroupBarrier();
    #repeat r RESULTS
    if (turn < ROW_GROUPS && turn + $ru * ROW_GROUPS <= last_token - first_token) {
        var total = 0.0;
        for (var i = 0u; i < LANES; i++) {
            total += partials[row$r * LANES + i];
        }
        let place = ((first_token + row$r) * HEADS + head) * VALUE_PAIRS + 2u * quad;
        y[place] = result$r.xy / total;
        y[place + 1u] = result$r.zw / total;
    }
    #end
}

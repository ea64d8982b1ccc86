// The gated delta rule (Yang et al. 2024, "Gated Delta Networks", equation 10), token by token. The state of a head
// maps keys to values. For each token it decays, is corrected so that the token's key maps closer to its value, and is
// applied to the token's query. Queries and keys are scaled to length one. Value heads KEY_HEADS apart share a query and
// a key, with GROUPED neighbouring ones.
//
// Rows of the state, one per value element, are independent. A workgroup keeps PAIRS pairs of rows in registers from
// the first token to the last: LANES neighbouring threads share a pair, and each holds four vectors of either row.
//
// A token takes one barrier. Its new state is kept * S + change * k, so the state's product with the query is kept * (S
// q) + change * (k q): all sums over key elements can be taken before the state changes.
// Grid: x: HEAD_DIM / 2 / PAIRS, y: VALUE_HEADS, z: with EACH tokens. Constants: KEY_HEADS, VALUE_HEADS, HEAD_DIM, LANES
// (HEAD_DIM / 16), PAIRS, WORKGROUP (PAIRS * LANES), GATES_ROW_LEN, ALPHA_AT, BETA_AT, EPS, QUERY_SCALE.
#include "shared/state.wgsl"
#include "shared/place.wgsl"
#include "shared/softplus.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Queries, keys and values: [tokens][2 KEY_HEADS + VALUE_HEADS][HEAD_DIM / 4]
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;
// Projection, with a value head's alpha (the decay's exponent) from ALPHA_AT on and its beta (the update's factor) from
// BETA_AT on: [tokens][GATES_ROW_LEN]
@group(0) @binding(2) var<storage, read> gates: array<f32>;
// Added to alpha: [VALUE_HEADS]
@group(0) @binding(3) var<storage, read> dt_bias: array<f32>;
// Factor of the decay's exponent, negative: [VALUE_HEADS]
@group(0) @binding(4) var<storage, read> decay: array<f32>;
// States: [sequences][VALUE_HEADS][HEAD_DIM values][HEAD_DIM / 4 vectors of keys]
@group(0) @binding(5) var<storage, read_write> memory: array<vec4<f32>>;
// Output: [tokens][VALUE_HEADS][HEAD_DIM / 2]
@group(0) @binding(6) var<storage, read_write> y: array<vec2<f32>>;

const VECTORS: u32 = HEAD_DIM / 4u;
const TOKEN_VECTORS: u32 = (2u * KEY_HEADS + VALUE_HEADS) * VECTORS;

// Each lane's parts of the sums over key elements. Tokens alternate between two places: a thread may already write
// those of the next token while others still read.
// Both rows by key, then both by query: [2][LANES][PAIRS]
var<workgroup> products: array<vec4<f32>, 2u * WORKGROUP>;
// Key by key, query by query, key by query: [2][LANES]
var<workgroup> squares: array<vec3<f32>, 2u * LANES>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let tokens = tokens_of(group.z);
    let first = tokens.x;
    let end = tokens.y;
    if (first >= end) {
        return;
    }
    let head = group.y;
    let lane = thread % LANES;
    let slot = thread / LANES;
    let pair = group.x * PAIRS + slot;
    let first_row = ((sequence_of(first) * VALUE_HEADS + head) * HEAD_DIM + 2u * pair) * VECTORS + lane;
    let second_row = first_row + VECTORS;
    #repeat v 4
    var a$v = memory[first_row + $vu * LANES];
    var b$v = memory[second_row + $vu * LANES];
    #end

    let bias = dt_bias[head];
    let factor = decay[head];
#ifdef GROUPED
    let key_head = head / (VALUE_HEADS / KEY_HEADS);
#else
    let key_head = head % KEY_HEADS;
#endif
    let query_at = key_head * VECTORS + lane;
    let key_at = query_at + KEY_HEADS * VECTORS;
    let value_at = (2u * KEY_HEADS + head) * VECTORS + pair / 2u;
    // The next token's inputs are loaded while the current token is computed.
    #repeat v 4
    var next_q$v = qkv[first * TOKEN_VECTORS + query_at + $vu * LANES];
    var next_k$v = qkv[first * TOKEN_VECTORS + key_at + $vu * LANES];
    #end
    var next_values = qkv[first * TOKEN_VECTORS + value_at];
    var next_alpha = gates[first * GATES_ROW_LEN + ALPHA_AT + head];
    var next_beta = gates[first * GATES_ROW_LEN + BETA_AT + head];
    let last = end - 1u;
    for (var token = first; token < end; token++) {
        #repeat v 4
        let q$v = next_q$v;
        let k$v = next_k$v;
        #end
        let values = select(next_values.xy, next_values.zw, pair % 2u == 1u);
        let kept = exp(softplus(next_alpha + bias) * factor);
        let rate = 1.0 / (1.0 + exp(-next_beta));
        let next = min(token + 1u, last);
        #repeat v 4
        next_q$v = qkv[next * TOKEN_VECTORS + query_at + $vu * LANES];
        next_k$v = qkv[next * TOKEN_VECTORS + key_at + $vu * LANES];
        #end
        next_values = qkv[next * TOKEN_VECTORS + value_at];
        next_alpha = gates[next * GATES_ROW_LEN + ALPHA_AT + head];
        next_beta = gates[next * GATES_ROW_LEN + BETA_AT + head];

        let place = token % 2u * LANES;
        #repeat v 4
        let product$v = vec4<f32>(dot(a$v, k$v), dot(b$v, k$v), dot(a$v, q$v), dot(b$v, q$v));
        #end
        products[(place + lane) * PAIRS + slot] = (product0 + product1) + (product2 + product3);
        // The same in all slots.
        if (slot == 0u) {
            #repeat v 4
            let square$v = vec3<f32>(dot(k$v, k$v), dot(q$v, q$v), dot(k$v, q$v));
            #end
            squares[place + lane] = (square0 + square1) + (square2 + square3);
        }
        workgroupBarrier();
        var sums = vec4<f32>(0.0);
        var lengths = vec3<f32>(0.0);
        #repeat l LANES
        sums += products[(place + $lu) * PAIRS + slot];
        lengths += squares[place + $lu];
        #end

        let key_scale = inverseSqrt(max(lengths.x, EPS * EPS));
        let query_scale = QUERY_SCALE * inverseSqrt(max(lengths.y, EPS * EPS));
        let change = key_scale * rate * (values - kept * key_scale * sums.xy);
        #repeat v 4
        a$v = kept * a$v + change.x * k$v;
        b$v = kept * b$v + change.y * k$v;
        #end
        if (lane == 0u) {
            y[(token * VALUE_HEADS + head) * (HEAD_DIM / 2u) + pair] = query_scale * (kept * sums.zw + lengths.z * change);
        }
    }
    #repeat v 4
    memory[first_row + $vu * LANES] = a$v;
    memory[second_row + $vu * LANES] = b$v;
    #end
}

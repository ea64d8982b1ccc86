// The gated delta rule (Yang et al. 2024, "Gated Delta Networks", equation 10), token by token. A head's state maps keys to values. For each
// token it decays, is corrected so that the token's key maps closer to its value, and is applied to the query. Queries and keys
// have length one.
// A workgroup computes ROWS value elements of a head. LANES threads share the row of the state that belongs to one of them, and keep it in
// registers from the first token to the last.
// Grid: x: HEAD_DIM / ROWS, y: value heads. Constants: KEY_HEADS, VALUE_HEADS, HEAD_DIM, GATES_LEN, ALPHA_AT, BETA_AT, ROWS, LANES,
// ELEMENTS (HEAD_DIM / LANES), WORKGROUP (ROWS * LANES), EPS, SCALE.
#include "shared/state.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Queries, keys and values: [tokens][2 KEY_HEADS + VALUE_HEADS][HEAD_DIM]
@group(0) @binding(1) var<storage, read> qkv: array<f32>;
// Projection with the decay's exponents from ALPHA_AT on and the update's factors from BETA_AT on: [tokens][GATES_LEN]
@group(0) @binding(2) var<storage, read> gates: array<f32>;
// Added to the decay's exponents: [VALUE_HEADS]
@group(0) @binding(3) var<storage, read> dt_bias: array<f32>;
// Factor of them: [VALUE_HEADS]
@group(0) @binding(4) var<storage, read> decay: array<f32>;
// States: [VALUE_HEADS][HEAD_DIM values][HEAD_DIM keys]
@group(0) @binding(5) var<storage, read_write> memory: array<f32>;
// Output: [tokens][VALUE_HEADS][HEAD_DIM]
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

const KEYS_LEN: u32 = KEY_HEADS * HEAD_DIM;
const VALUES_LEN: u32 = VALUE_HEADS * HEAD_DIM;

// Each thread's part of four sums over the key elements: key by key, query by query, key by query, state by key. Tokens take turns with two
// places, so that one barrier a token is enough.
var<workgroup> parts: array<vec4<f32>, 2u * WORKGROUP>;
// And of the sum state by query.
var<workgroup> query_parts: array<f32, 2u * WORKGROUP>;

fn softplus(x: f32) -> f32 {
    return select(log(1.0 + exp(min(x, 20.0))), x, x > 20.0);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let head = group.y;
    let lane = thread % LANES;
    let row = group.x * ROWS + thread / LANES;
    let first = (head * HEAD_DIM + row) * HEAD_DIM + lane;
#repeat i ELEMENTS
    var s$i = memory[first + $iu * LANES];
#end
    for (var token = 0u; token < state.token_count; token++) {
        let base = token * (2u * KEYS_LEN + VALUES_LEN);
        let query_at = base + (head % KEY_HEADS) * HEAD_DIM + lane;
        var part = vec4<f32>(0.0);
        var query_part = 0.0;
#repeat i ELEMENTS
        let q$i = qkv[query_at + $iu * LANES];
        let k$i = qkv[query_at + KEYS_LEN + $iu * LANES];
        part += vec4<f32>(k$i * k$i, q$i * q$i, k$i * q$i, s$i * k$i);
        query_part += s$i * q$i;
#end
        let place = (token % 2u) * WORKGROUP;
        parts[place + thread] = part;
        query_parts[place + thread] = query_part;
        workgroupBarrier();
        var sums = vec4<f32>(0.0);
        var state_by_query = 0.0;
        for (var other = 0u; other < LANES; other++) {
            sums += parts[place + thread - lane + other];
            state_by_query += query_parts[place + thread - lane + other];
        }
        let key_scale = 1.0 / max(sqrt(sums.x), EPS);
        let query_scale = SCALE / max(sqrt(sums.y), EPS);
        let kept = exp(softplus(gates[token * GATES_LEN + ALPHA_AT + head] + dt_bias[head]) * decay[head]);
        let rate = 1.0 / (1.0 + exp(-gates[token * GATES_LEN + BETA_AT + head]));
        let value = qkv[base + 2u * KEYS_LEN + head * HEAD_DIM + row];
        let step = rate * (value - kept * sums.w * key_scale) * key_scale;
#repeat i ELEMENTS
        s$i = kept * s$i + step * k$i;
#end
        if (lane == 0u) {
            y[token * VALUES_LEN + head * HEAD_DIM + row] = query_scale * (kept * state_by_query + step * sums.z);
        }
    }
#repeat i ELEMENTS
    memory[first + $iu * LANES] = s$i;
#end
}

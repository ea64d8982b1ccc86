// The recurrence of Mamba-2 (Dao and Gu 2024, "Transformers are SSMs", equation 1), token by token. A head's state has a
// row of STATE_LEN elements for each element of the head. For each token it decays, grows by the outer product of the
// head's input, times a step size, and B, and gives its product with C, to which a multiple of the input is added. With
// GATED that is multiplied by SiLU of a gate.
//
// Rows of the state are independent. A workgroup keeps PAIRS pairs of rows in registers from the first token to the
// last: LANES neighbouring threads share a pair, and each holds four vectors of either row.
// Grid: x: HEAD_DIM / 2 / PAIRS, y: HEADS, z: with EACH tokens. Constants: HEADS, HEAD_DIM, GROUPS, STATE_LEN, LANES
// (STATE_LEN / 16), PAIRS, WORKGROUP (PAIRS * LANES), ROW_LEN, STEPS_AT.
#include "shared/state.wgsl"
#include "shared/place.wgsl"
#include "shared/softplus.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// The heads' inputs, B and C: [tokens][HEADS][HEAD_DIM / 4], [GROUPS][STATE_LEN / 4] and [GROUPS][STATE_LEN / 4]
@group(0) @binding(1) var<storage, read> inputs: array<vec4<f32>>;
// Projection, with the heads' step sizes from STEPS_AT on, and with GATED first the gates, [HEADS][HEAD_DIM]:
// [tokens][ROW_LEN]
@group(0) @binding(2) var<storage, read> rows: array<f32>;
// Added to the step sizes: [HEADS]
@group(0) @binding(3) var<storage, read> step_bias: array<f32>;
// Factor of the decay's exponent, negative: [HEADS]
@group(0) @binding(4) var<storage, read> decay: array<f32>;
// Factor of the input in the output: [HEADS]
@group(0) @binding(5) var<storage, read> skip: array<f32>;
// States: [sequences][HEADS][HEAD_DIM][STATE_LEN / 4]
@group(0) @binding(6) var<storage, read_write> memory: array<vec4<f32>>;
// Output: [tokens][HEADS][HEAD_DIM / 2]
@group(0) @binding(7) var<storage, read_write> y: array<vec2<f32>>;

const VECTORS: u32 = STATE_LEN / 4u;
const HEAD_VECTORS: u32 = HEAD_DIM / 4u;
const TOKEN_VECTORS: u32 = HEADS * HEAD_VECTORS + 2u * GROUPS * VECTORS;

// Each lane's part of the products with C. Tokens alternate between two places: a thread may already write those of the
// next token while others still read: [2][LANES][PAIRS]
var<workgroup> products: array<vec2<f32>, 2u * WORKGROUP>;

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
    let first_row = ((sequence_of(first) * HEADS + head) * HEAD_DIM + 2u * pair) * VECTORS + lane;
    let second_row = first_row + VECTORS;
    #repeat v 4
    var a$v = memory[first_row + $vu * LANES];
    var b$v = memory[second_row + $vu * LANES];
    #end

    let bias = step_bias[head];
    let factor = decay[head];
    let x_at = head * HEAD_VECTORS + pair / 2u;
    let b_at = HEADS * HEAD_VECTORS + head / (HEADS / GROUPS) * VECTORS + lane;
    let c_at = b_at + GROUPS * VECTORS;
    for (var token = first; token < end; token++) {
        let at = token * TOKEN_VECTORS;
        let step = softplus(rows[token * ROW_LEN + STEPS_AT + head] + bias);
        let kept = exp(step * factor);
        let xs = inputs[at + x_at];
        let x = select(xs.xy, xs.zw, pair % 2u == 1u);
        let grown = step * x;
        var sums = vec2<f32>(0.0);
        #repeat v 4
        {
            let b = inputs[at + b_at + $vu * LANES];
            let c = inputs[at + c_at + $vu * LANES];
            a$v = kept * a$v + grown.x * b;
            b$v = kept * b$v + grown.y * b;
            sums += vec2<f32>(dot(a$v, c), dot(b$v, c));
        }
        #end
        let place = token % 2u * LANES;
        products[(place + lane) * PAIRS + slot] = sums;
        workgroupBarrier();
        if (lane == 0u) {
            var total = skip[head] * x;
            #repeat l LANES
            total += products[(place + $lu) * PAIRS + slot];
            #end
#ifdef GATED
            let gate_at = token * ROW_LEN + head * HEAD_DIM + 2u * pair;
            let gates = vec2<f32>(rows[gate_at], rows[gate_at + 1u]);
            total *= gates / (1.0 + exp(-gates));
#endif
            y[(token * HEADS + head) * (HEAD_DIM / 2u) + pair] = total;
        }
    }
    #repeat v 4
    memory[first_row + $vu * LANES] = a$v;
    memory[second_row + $vu * LANES] = b$v;
    #end
}

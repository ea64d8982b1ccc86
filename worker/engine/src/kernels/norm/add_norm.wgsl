// Adds normalised vectors to others: y[t][i] += SCALE * norm(x[t][i]), for PLACES vectors y[t][i]. With RESIDUAL another
// vector is added, too, and the sum is multiplied by RESIDUAL_SCALE; with SCALED_SUM it is then multiplied by a factor.
// Grid: x: COUNT, y: tokens. Constants: LEN, COUNT (vectors per token), PLACES, EPS, SCALE, RESIDUAL_SCALE, WORKGROUP.
#include "shared/state.wgsl"
#include "shared/workgroup_sum.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Input: [tokens][COUNT][LEN]
@group(0) @binding(1) var<storage, read> x: array<f32>;
// Weight of the RMS norm: [LEN]
@group(0) @binding(2) var<storage, read> norm_weight: array<f32>;
// What is added to: [tokens][COUNT][PLACES][LEN]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
#ifdef SCALED_SUM
// Factor of the sum: [1]
@group(0) @binding(4) var<storage, read> sum_scale: array<f32>;
#endif
#ifdef RESIDUAL
// Also added: [tokens][COUNT][LEN]
@group(0) @binding(5) var<storage, read> residual: array<f32>;
#endif

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    if (group.y >= state.token_count) {
        return;
    }
    let vector = group.y * COUNT + group.x;
    let base = vector * LEN;
    var sum = 0.0;
    for (var i = thread; i < LEN; i += WORKGROUP) {
        sum += x[base + i] * x[base + i];
    }
    let scale = SCALE * inverseSqrt(workgroup_sum(sum, thread) / f32(LEN) + EPS);
    for (var i = thread; i < LEN; i += WORKGROUP) {
        let added = scale * x[base + i] * norm_weight[i];
        for (var place = 0u; place < PLACES; place++) {
            let at = (vector * PLACES + place) * LEN + i;
            var total = y[at] + added;
#ifdef RESIDUAL
            total = RESIDUAL_SCALE * (total + residual[base + i]);
#endif
#ifdef SCALED_SUM
            total *= sum_scale[0];
#endif
            y[at] = total;
        }
    }
}

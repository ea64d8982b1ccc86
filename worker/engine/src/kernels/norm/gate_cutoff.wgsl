// Keeps what exceeds a cutoff: y[t][i] = max(y[t][i] - (mean + CUTOFF * deviation), 0), with mean and standard deviation
// (of a sample) of the token's row.
// Grid: one workgroup per token. Constants: LEN, CUTOFF, WORKGROUP.
#include "shared/state.wgsl"
#include "shared/workgroup_sum.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Gates: [tokens][LEN]
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    if (group.x >= state.token_count) {
        return;
    }
    let base = group.x * LEN;
    var sum = 0.0;
    for (var i = thread; i < LEN; i += WORKGROUP) {
        sum += y[base + i];
    }
    let mean = workgroup_sum(sum, thread) / f32(LEN);
    var squares = 0.0;
    for (var i = thread; i < LEN; i += WORKGROUP) {
        let centred = y[base + i] - mean;
        squares += centred * centred;
    }
    let cutoff = mean + CUTOFF * sqrt(workgroup_sum(squares, thread) / f32(LEN - 1u));
    for (var i = thread; i < LEN; i += WORKGROUP) {
        y[base + i] = max(y[base + i] - cutoff, 0.0);
    }
}

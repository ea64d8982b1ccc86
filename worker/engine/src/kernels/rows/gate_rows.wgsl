// Gates rows: y[t][i] becomes its activation times x[t][i].
// Grid: one workgroup per token. Constants: LEN, WORKGROUP.
#include "shared/state.wgsl"
#include "shared/activation.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// What is gated: [tokens][LEN]
@group(0) @binding(1) var<storage, read> x: array<f32>;
// Gates, then the result: [tokens][LEN]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    if (group.x >= state.token_count) {
        return;
    }
    for (var i = thread; i < LEN; i += WORKGROUP) {
        let at = group.x * LEN + i;
        y[at] = gated(y[at], x[at]);
    }
}

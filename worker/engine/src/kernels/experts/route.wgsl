// Chooses the experts of each token: the USED likeliest of COUNT. Their weights are the softmax of their scores over
// all experts, or with NORMALISE over the chosen ones.
// Grid: one workgroup per token. Constants: COUNT, USED, WORKGROUP.
#include "shared/state.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Scores: [tokens][COUNT]
@group(0) @binding(1) var<storage, read> logits: array<f32>;
// Chosen experts, likeliest first: [tokens][USED]
@group(0) @binding(2) var<storage, read_write> experts: array<u32>;
// Weights of the chosen experts: [tokens][USED]
@group(0) @binding(3) var<storage, read_write> weights: array<f32>;

var<workgroup> scores: array<f32, COUNT>;
var<workgroup> chosen: array<u32, USED>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let token = group.x;
    if (token >= state.token_count) {
        return;
    }
    for (var i = thread; i < COUNT; i += WORKGROUP) {
        scores[i] = logits[token * COUNT + i];
    }
    // Every entry is overwritten below unless a score is NaN.
    for (var i = thread; i < USED; i += WORKGROUP) {
        chosen[i] = i;
    }
    workgroupBarrier();
    for (var i = thread; i < COUNT; i += WORKGROUP) {
        // An expert's rank is the number of likelier ones.
        var place = 0u;
        for (var j = 0u; j < COUNT; j++) {
            if (scores[j] > scores[i] || (scores[j] == scores[i] && j < i)) {
                place++;
            }
        }
        if (place < USED) {
            chosen[place] = i;
        }
    }
    workgroupBarrier();
    if (thread >= USED) {
        return;
    }
    let highest = scores[chosen[0]];
    var total = 0.0;
#ifdef NORMALISE
    for (var i = 0u; i < USED; i++) {
        total += exp(scores[chosen[i]] - highest);
    }
#else
    for (var i = 0u; i < COUNT; i++) {
        total += exp(scores[i] - highest);
    }
#endif
    experts[token * USED + thread] = chosen[thread];
    weights[token * USED + thread] = exp(scores[chosen[thread]] - highest) / total;
}

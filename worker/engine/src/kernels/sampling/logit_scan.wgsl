// Applies bias, penalties, temperature and the mask of allowed tokens to the logits in place, and finds the likeliest
// token of each chunk.
// Grid: x: CHUNKS workgroups, each for CHUNK_LEN adjacent tokens. Constants: VOCAB, CHUNK_LEN, WORKGROUP.
#include "shared/state.wgsl"
#include "sampling/sampling.wgsl"

@group(0) @binding(0) var<uniform> sampling: Sampling;
// Logits: [state.token_count][VOCAB], of which one row is used
@group(0) @binding(1) var<storage, read_write> logits: array<f32>;
// History entry of each token, see IN_PROMPT: [VOCAB]
@group(0) @binding(2) var<storage, read> history: array<u32>;
// Likeliest token of each chunk: [CHUNKS]
@group(0) @binding(3) var<storage, read_write> candidates: array<Candidate>;
// One bit per token, lowest first, if `uses_allowed`: [ceil(VOCAB / 32)]
@group(0) @binding(4) var<storage, read> allowed: array<u32>;
// Added to logits, if `uses_bias`: [VOCAB]
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<uniform> state: State;

var<workgroup> best: array<Candidate, WORKGROUP>;

fn adjusted(id: u32, logit: f32) -> f32 {
    if (sampling.uses_allowed != 0u && ((allowed[id / 32u] >> (id % 32u)) & 1u) == 0u) {
        return FORBIDDEN;
    }
    var value = logit;
    if (sampling.uses_bias != 0u) {
        value += bias[id];
    }
    let seen = history[id];
    if (seen != 0u) {
        value = select(value * sampling.repetition_penalty, value / sampling.repetition_penalty, value > 0.0);
        let count = seen & ~IN_PROMPT;
        if (count > 0u) {
            value -= f32(count) * sampling.frequency_penalty + sampling.presence_penalty;
        }
    }
    if (sampling.temperature > 0.0) {
        value /= sampling.temperature;
    }
    return value;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let row = state.row * VOCAB;
    let end = min((group.x + 1u) * CHUNK_LEN, VOCAB);
    var own = Candidate(-3.0e38, 0xffffffffu);
    for (var id = group.x * CHUNK_LEN + thread; id < end; id += WORKGROUP) {
        let value = adjusted(id, logits[row + id]);
        logits[row + id] = value;
        own = likelier(own, Candidate(value, id));
    }
    best[thread] = own;
    workgroupBarrier();
    for (var width = WORKGROUP / 2u; width > 0u; width /= 2u) {
        if (thread < width) {
            best[thread] = likelier(best[thread], best[thread + width]);
        }
        workgroupBarrier();
    }
    if (thread == 0u) {
        candidates[group.x] = best[0];
    }
}

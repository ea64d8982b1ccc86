// Chooses the likeliest token of a transcript, records it, and makes it the next one to feed. If times together are
// likelier than any token of text, it is a time.
// Grid: one workgroup. Constants: CHUNKS, FIRST_TIME, RING_LEN, WORKGROUP.
#include "transcript/progress.wgsl"
#include "shared/state.wgsl"

// Of text and of times: [CHUNKS][2]
@group(0) @binding(0) var<storage, read> parts: array<Part>;
@group(0) @binding(1) var<storage, read_write> progress: Progress;
// Tokens, and the logarithms of their likelihoods (f32): [RING_LEN]
@group(0) @binding(2) var<storage, read_write> ring: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> state: State;
// The token to feed: [1]
@group(0) @binding(4) var<storage, read_write> ids: array<u32>;
// Its position: [1]
@group(0) @binding(5) var<storage, read_write> positions: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) thread: u32) {
    var text = NO_TOKENS;
    var time = NO_TOKENS;
    for (var chunk = thread; chunk < CHUNKS; chunk += WORKGROUP) {
        text = merged(text, parts[2u * chunk]);
        time = merged(time, parts[2u * chunk + 1u]);
    }
    texts[thread] = text;
    times[thread] = time;
    merge_threads(thread);
    if (thread > 0u) {
        return;
    }
    text = texts[0];
    time = times[0];
    var best = merged(text, time);
    if (time.sum > 0.0 && time.highest + log(time.sum) > text.highest) {
        best = time;
    }
    ring[min(progress.step, RING_LEN - 1u)] = vec2<u32>(best.id, bitcast<u32>(-log(best.sum)));
    progress.before = progress.last;
    progress.last = best.id;
    if (best.id >= FIRST_TIME) {
        progress.last_time = best.id;
    }
    progress.step += 1u;
    state.position += 1u;
    ids[0] = best.id;
    positions[0] = state.position;
}

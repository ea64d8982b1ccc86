// Finds the likeliest of the tokens that may follow in a transcript, for each chunk of the vocabulary: times come in
// pairs, the end of a segment and the start of the next, and never decrease.
// Grid: x: CHUNKS workgroups, each for CHUNK_LEN adjacent tokens. Constants: VOCAB, CHUNK_LEN, END (the first token after
// those of text), FIRST_TIME, LATEST_START (in times), WORKGROUP.
#include "transcript/progress.wgsl"

// Logits: [VOCAB]
@group(0) @binding(0) var<storage, read> logits: array<f32>;
// One bit per token, lowest first, that is never said: [ceil(VOCAB / 32)]
@group(0) @binding(1) var<storage, read> never: array<u32>;
@group(0) @binding(2) var<storage, read> progress: Progress;
// Of text and of times: [CHUNKS][2]
@group(0) @binding(3) var<storage, read_write> parts: array<Part>;

fn is_allowed(id: u32) -> bool {
    if (((never[id / 32u] >> (id % 32u)) & 1u) == 1u) {
        return false;
    }
    if (progress.step == 0u) {
        return id >= FIRST_TIME && id <= FIRST_TIME + LATEST_START;
    }
    let after_time = progress.last >= FIRST_TIME;
    let starts = progress.step < 2u || progress.before >= FIRST_TIME;
    if (id < FIRST_TIME) {
        // After a segment's end the next one starts, or there is none.
        return !after_time || starts || id >= END;
    }
    // The next segment may start where this one ended, but none ends where it started.
    return !(after_time && starts) && id >= progress.last_time + select(1u, 0u, after_time);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let end = min((group.x + 1u) * CHUNK_LEN, VOCAB);
    var text = NO_TOKENS;
    var time = NO_TOKENS;
    for (var id = group.x * CHUNK_LEN + thread; id < end; id += WORKGROUP) {
        if (is_allowed(id)) {
            let own = Part(logits[id], 1.0, id);
            if (id < FIRST_TIME) {
                text = merged(text, own);
            } else {
                time = merged(time, own);
            }
        }
    }
    texts[thread] = text;
    times[thread] = time;
    merge_threads(thread);
    if (thread == 0u) {
        parts[2u * group.x] = texts[0];
        parts[2u * group.x + 1u] = times[0];
    }
}

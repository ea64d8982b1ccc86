// What was said so far in a window, and the likeliest of a set of tokens.
// Constants: FIRST_TIME (tokens from there on are times).
struct Progress {
    // Number of tokens.
    step: u32,
    // The last token and the one before, if there are any.
    last: u32,
    before: u32,
    // The last time.
    last_time: u32,
}

struct Part {
    // The highest logit.
    highest: f32,
    // Sum of exponentials of logits, relative to the highest; zero if there are no tokens.
    sum: f32,
    // The token with the highest logit.
    id: u32,
}

const NO_TOKENS: Part = Part(-3.0e38, 0.0, 0u);

fn merged(a: Part, b: Part) -> Part {
    if (b.sum == 0.0) {
        return a;
    }
    if (a.sum == 0.0) {
        return b;
    }
    let highest = max(a.highest, b.highest);
    let sum = a.sum * exp(a.highest - highest) + b.sum * exp(b.highest - highest);
    // Of equal logits the first.
    let takes_b = b.highest > a.highest || (b.highest == a.highest && b.id < a.id);
    return Part(highest, sum, select(a.id, b.id, takes_b));
}

// Tokens of text, and times.
var<workgroup> texts: array<Part, WORKGROUP>;
var<workgroup> times: array<Part, WORKGROUP>;

// Merges the parts of all threads into those of the first.
fn merge_threads(thread: u32) {
    workgroupBarrier();
    for (var width = WORKGROUP / 2u; width > 0u; width /= 2u) {
        if (thread < width) {
            texts[thread] = merged(texts[thread], texts[thread + width]);
            times[thread] = merged(times[thread], times[thread + width]);
        }
        workgroupBarrier();
    }
}

// Samples the next token from penalised, tempered logits and feeds it back: writes it where the next embedding lookup
// reads it and into the ring buffer that the host reads, and advances the state.
//
// Order: temperature (already applied), top-k, top-p, min-p, then a random draw. Probabilities are fixed-point
// integers, so sums do not depend on the order of threads; thresholds are found exactly by radix selection over the
// logits' ordered bit patterns, eight bits per pass. The draw is a race (the Gumbel-max trick): each token has its own
// noise, so that the last bit of a logit changes the choice only if two tokens nearly tie.
// Grid: one workgroup. Constants: VOCAB, CHUNKS, WORKGROUP (= 256, one thread per radix bin), RING_LEN.
#include "shared/state.wgsl"
#include "sampling/sampling.wgsl"

@group(0) @binding(0) var<uniform> sampling: Sampling;
// Logits from `logit_scan.wgsl`: [state.token_count][VOCAB], of which one row is used
@group(0) @binding(1) var<storage, read> logits: array<f32>;
// Likeliest token of each chunk: [CHUNKS]
@group(0) @binding(2) var<storage, read> candidates: array<Candidate>;
@group(0) @binding(3) var<storage, read_write> state: State;
// The token that the next step embeds: [1]
@group(0) @binding(4) var<storage, read_write> next_id: array<u32>;
// Sampled tokens by step modulo RING_LEN: [RING_LEN]
@group(0) @binding(5) var<storage, read_write> ring: array<u32>;
// History entry of each token, see IN_PROMPT: [VOCAB]
@group(0) @binding(6) var<storage, read_write> history: array<u32>;

// 1 in fixed point. The weights of all tokens sum to about this, so a sum fits a word.
const UNIT: f32 = 1073741824.0;

// Less likely than any token.
const NOBODY = Candidate(-3.4e38, 0xffffffffu);

var<workgroup> best: array<Candidate, WORKGROUP>;
var<workgroup> sums: array<f32, WORKGROUP>;
var<workgroup> bins: array<atomic<u32>, 256>;
// Key prefix that a selection has settled on, and what remains of its target below that.
var<workgroup> selected_key: u32;
var<workgroup> remaining: u32;

// Index of the first logit of the row.
var<private> row_start: u32;

fn logit(id: u32) -> f32 {
    return logits[row_start + id];
}

// Maps a logit to a key with the same order as unsigned integers.
fn ordered_key(logit: f32) -> u32 {
    let bits = bitcast<u32>(logit);
    return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
}

// PCG hash (Jarzynski and Olano 2020, "Hash Functions for GPU Rendering").
fn pcg(value: u32) -> u32 {
    let state = value * 747796405u + 2891336453u;
    let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
    return (word >> 22u) ^ word;
}

// Probability of a logit in fixed point.
fn weight(logit: f32, highest: f32, total: f32) -> u32 {
    return u32(exp(logit - highest) / total * UNIT);
}

// Raises `selected_key` to the largest key t such that tokens with keys >= t (and >= cutoff) weigh at least
// `target_sum`: each token weighs 1 with `count`, otherwise its probability. Keeps 0 if all together weigh less.
fn select_threshold(target_sum: u32, count: bool, cutoff: u32, highest: f32, total: f32, thread: u32) -> u32 {
    if (thread == 0u) {
        selected_key = 0u;
        remaining = target_sum;
    }
    for (var shift = 24i; shift >= 0; shift -= 8) {
        atomicStore(&bins[thread], 0u);
        workgroupBarrier();
        let prefix = selected_key;
        // All bits above the current eight; a shift by 32 is undefined.
        let mask = select(0xffffffffu << u32(min(shift + 8, 31)), 0u, shift == 24);
        for (var id = thread; id < VOCAB; id += WORKGROUP) {
            let key = ordered_key(logit(id));
            if (key >= cutoff && (key & mask) == (prefix & mask)) {
                var w = 1u;
                if (!count) {
                    w = weight(logit(id), highest, total);
                }
                atomicAdd(&bins[(key >> u32(shift)) & 255u], w);
            }
        }
        workgroupBarrier();
        if (thread == 0u) {
            var bin = 255u;
            var left = remaining;
            loop {
                let sum = atomicLoad(&bins[bin]);
                if (sum >= left || bin == 0u) {
                    break;
                }
                left -= sum;
                bin -= 1u;
            }
            remaining = left;
            selected_key = prefix | (bin << u32(shift));
        }
        workgroupBarrier();
    }
    return workgroupUniformLoad(&selected_key);
}

// Sum of exp(logit - highest) over the vocabulary.
fn total_weight(highest: f32, thread: u32) -> f32 {
    var sum = 0.0;
    for (var id = thread; id < VOCAB; id += WORKGROUP) {
        sum += exp(logit(id) - highest);
    }
    sums[thread] = sum;
    workgroupBarrier();
    for (var width = WORKGROUP / 2u; width > 0u; width /= 2u) {
        if (thread < width) {
            sums[thread] += sums[thread + width];
        }
        workgroupBarrier();
    }
    return workgroupUniformLoad(&sums[0]);
}

// Below this, four terms of the series are as accurate as `log`.
const SERIES_END: f32 = 0.0625;

// Arrival time of `id` in the race, exponentially distributed. For small u, -log(1 - u) is computed by its series: the
// early arrivals, which decide the race, would lose precision in 1 - u.
fn arrival(id: u32, salt: u32) -> f32 {
    let u = (f32(pcg(pcg(id) ^ salt)) + 0.5) / 4294967296.0;
    let series = u * (1.0 + u * (0.5 + u * (1.0 / 3.0 + u * 0.25)));
    return select(-log(1.0 - min(u, 0.99999994)), series, u < SERIES_END);
}

// The token with a key of at least `cutoff` that wins the race; likelier tokens are proportionally faster.
fn draw(cutoff: u32, salt: u32, thread: u32) -> Candidate {
    var own = NOBODY;
    for (var id = thread; id < VOCAB; id += WORKGROUP) {
        if (ordered_key(logit(id)) >= cutoff) {
            own = likelier(own, Candidate(logit(id) - log(arrival(id, salt)), id));
        }
    }
    return likeliest(own, thread);
}

// The likeliest of all threads' candidates.
fn likeliest(own: Candidate, thread: u32) -> Candidate {
    best[thread] = own;
    workgroupBarrier();
    for (var width = WORKGROUP / 2u; width > 0u; width /= 2u) {
        if (thread < width) {
            best[thread] = likelier(best[thread], best[thread + width]);
        }
        workgroupBarrier();
    }
    return workgroupUniformLoad(&best[0]);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) thread: u32) {
    row_start = state.row * VOCAB;
    var own = NOBODY;
    for (var i = thread; i < CHUNKS; i += WORKGROUP) {
        own = likelier(own, candidates[i]);
    }
    var chosen = likeliest(own, thread);

    if (sampling.temperature > 0.0) {
        let highest = chosen.logit;
        var cutoff = 0u;
        if (sampling.top_k > 0u) {
            cutoff = select_threshold(sampling.top_k, true, 0u, highest, 1.0, thread);
        }
        if (sampling.top_p < 1.0) {
            let total = total_weight(highest, thread);
            // Top-p applies to the probability that top-k has left.
            let kept = kept_weight(cutoff, highest, total, thread);
            let target_sum = u32(ceil(f32(kept) * sampling.top_p));
            cutoff = max(cutoff, select_threshold(max(target_sum, 1u), false, cutoff, highest, total, thread));
        }
        if (sampling.min_p > 0.0) {
            cutoff = max(cutoff, ordered_key(highest + log(sampling.min_p)));
        }
        // The likeliest token always stays.
        cutoff = min(cutoff, ordered_key(highest));
        chosen = draw(cutoff, pcg(sampling.seed ^ pcg(next_step())), thread);
    }

    if (thread == 0u) {
        // Never outside the vocabulary, even if all logits are NaN.
        let id = min(chosen.id, VOCAB - 1u);
        next_id[0] = id;
        ring[state.step % RING_LEN] = id;
        history[id] += 1u;
        state.position += 1u;
        state.step += 1u;
        state.row = (state.row + 1u) % state.token_count;
    }
}

// Counts steps from 1, so that the first one does not hash 0.
fn next_step() -> u32 {
    return state.step + 1u;
}

// Sum of the weights of tokens with a key of at least `cutoff`.
fn kept_weight(cutoff: u32, highest: f32, total: f32, thread: u32) -> u32 {
    if (thread == 0u) {
        atomicStore(&bins[0], 0u);
    }
    workgroupBarrier();
    var own = 0u;
    for (var id = thread; id < VOCAB; id += WORKGROUP) {
        if (ordered_key(logit(id)) >= cutoff) {
            own += weight(logit(id), highest, total);
        }
    }
    atomicAdd(&bins[0], own);
    workgroupBarrier();
    let kept = atomicLoad(&bins[0]);
    // The next user of the bins must not clear them before all threads have read.
    workgroupBarrier();
    return kept;
}

// Chooses the experts of each token, the best USED of COUNT, and weighs their outputs. An expert's likelihood is the
// softmax of its score over all experts, or with SIGMOID the logistic function of its score. The best have the highest
// scores; with BY_LIKELIHOOD the highest likelihoods, or with BIAS the highest sums of likelihood and bias. With
// GROUPED, they are chosen from the GROUPS_USED of GROUPS groups whose two best have the highest sum. Weights are
// likelihoods, with NORMALISE divided by their sum over the chosen experts, times WEIGHT_SCALE, with SCALES times a
// factor per expert. With SHARED an expert that all tokens share has the last weight: one, or with GATED the logistic
// function of the row's last score.
// Grid: one workgroup per token. Constants: COUNT, USED, GROUPS, GROUPS_USED, WEIGHT_SCALE, WORKGROUP; ROW_LEN, the
// number of scores in a row; OUTPUTS, the number of weights in a row.
#include "shared/state.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Scores: [tokens][ROW_LEN]
@group(0) @binding(1) var<storage, read> logits: array<f32>;
// Chosen experts, best first: [tokens][USED]
@group(0) @binding(2) var<storage, read_write> experts: array<u32>;
// Weights of the outputs: [tokens][OUTPUTS]
@group(0) @binding(3) var<storage, read_write> weights: array<f32>;
#ifdef BIAS
// Added to likelihoods for the choice: [COUNT]
@group(0) @binding(4) var<storage, read> bias: array<f32>;
#endif
#ifdef SCALES
// Factors of the experts' weights: [COUNT]
@group(0) @binding(5) var<storage, read> expert_scales: array<f32>;
#endif

// Sums of likelihoods below this count as this, as in llama.cpp.
const MIN_LIKELIHOOD_SUM = 6.103515625e-5;

var<workgroup> scores: array<f32, COUNT>;
// What the choice is made by.
var<workgroup> ranks: array<f32, COUNT>;
var<workgroup> chosen: array<u32, USED>;
#ifdef GROUPED
const LOWEST: f32 = -3.0e38;
const GROUP_LEN: u32 = COUNT / GROUPS;
var<workgroup> group_ranks: array<f32, GROUPS>;

// The sum of a group's two highest ranks.
fn group_rank(group: u32) -> f32 {
    var best = vec2<f32>(LOWEST);
    for (var i = group * GROUP_LEN; i < (group + 1u) * GROUP_LEN; i++) {
        best = select(vec2<f32>(best.x, max(best.y, ranks[i])), vec2<f32>(ranks[i], best.x), ranks[i] > best.x);
    }
    return best.x + best.y;
}

// The number of groups that are better.
fn group_place(group: u32) -> u32 {
    var place = 0u;
    for (var i = 0u; i < GROUPS; i++) {
        if (group_ranks[i] > group_ranks[group] || (group_ranks[i] == group_ranks[group] && i < group)) {
            place++;
        }
    }
    return place;
}
#endif

fn logistic(x: f32) -> f32 {
    return 1.0 / (1.0 + exp(-x));
}

// A multiple of the likelihood of an expert with this score, where `highest` is the highest score.
fn relative_likelihood(score: f32, highest: f32) -> f32 {
#ifdef SIGMOID
    return logistic(score);
#else
    return exp(score - highest);
#endif
}

// What `relative_likelihood` has to be divided by.
fn likelihood_unit(highest: f32) -> f32 {
#ifdef SIGMOID
    return 1.0;
#else
    var sum = 0.0;
    for (var i = 0u; i < COUNT; i++) {
        sum += relative_likelihood(scores[i], highest);
    }
    return sum;
#endif
}

#ifdef BY_LIKELIHOOD
fn highest_score() -> f32 {
    var highest = scores[0];
    for (var i = 1u; i < COUNT; i++) {
        highest = max(highest, scores[i]);
    }
    return highest;
}
#endif

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let token = group.x;
    if (token >= state.token_count) {
        return;
    }
    for (var i = thread; i < COUNT; i += WORKGROUP) {
        scores[i] = logits[token * ROW_LEN + i];
        ranks[i] = scores[i];
    }
    // Every entry is overwritten below unless a score is NaN.
    for (var i = thread; i < USED; i += WORKGROUP) {
        chosen[i] = i;
    }
    workgroupBarrier();
#ifdef BY_LIKELIHOOD
    let highest = highest_score();
    let unit = likelihood_unit(highest);
    for (var i = thread; i < COUNT; i += WORKGROUP) {
        ranks[i] = relative_likelihood(scores[i], highest) / unit;
#ifdef BIAS
        ranks[i] += bias[i];
#endif
    }
    workgroupBarrier();
#endif
#ifdef GROUPED
    for (var i = thread; i < GROUPS; i += WORKGROUP) {
        group_ranks[i] = group_rank(i);
    }
    workgroupBarrier();
    for (var i = thread; i < COUNT; i += WORKGROUP) {
        if (group_place(i / GROUP_LEN) >= GROUPS_USED) {
            ranks[i] = LOWEST;
        }
    }
    workgroupBarrier();
#endif
    for (var i = thread; i < COUNT; i += WORKGROUP) {
        // An expert's place is the number of better ones.
        var place = 0u;
        for (var j = 0u; j < COUNT; j++) {
            if (ranks[j] > ranks[i] || (ranks[j] == ranks[i] && j < i)) {
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
#ifdef BY_LIKELIHOOD
#else
    let highest = scores[chosen[0]];
#endif
#ifdef NORMALISE
    var total = 0.0;
    for (var i = 0u; i < USED; i++) {
        total += relative_likelihood(scores[chosen[i]], highest);
    }
#ifdef SIGMOID
    total = max(total, MIN_LIKELIHOOD_SUM);
#else
#ifdef BY_LIKELIHOOD
    // Otherwise the likeliest is among them, and the sum is not small.
    total = max(total, MIN_LIKELIHOOD_SUM * unit);
#endif
#endif
#else
    let total = likelihood_unit(highest);
#endif
    var scale = WEIGHT_SCALE;
#ifdef SCALES
    scale *= expert_scales[chosen[thread]];
#endif
    experts[token * USED + thread] = chosen[thread];
    weights[token * OUTPUTS + thread] = scale * relative_likelihood(scores[chosen[thread]], highest) / total;
#ifdef SHARED
    if (thread == 0u) {
#ifdef GATED
        weights[token * OUTPUTS + USED] = logistic(logits[token * ROW_LEN + COUNT]);
#else
        weights[token * OUTPUTS + USED] = 1.0;
#endif
    }
#endif
}

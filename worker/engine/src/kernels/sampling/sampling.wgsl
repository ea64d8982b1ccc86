// Sampling parameters of a request, in the layout of `SamplingParams` in `sampling.rs`, followed by two switches.
struct Sampling {
    // 0 takes the likeliest token.
    temperature: f32,
    // Keep the likeliest tokens whose probabilities reach this sum; 1 keeps all.
    top_p: f32,
    // Keep tokens at least this likely relative to the likeliest; 0 keeps all.
    min_p: f32,
    repetition_penalty: f32,
    frequency_penalty: f32,
    presence_penalty: f32,
    // Keep this many; 0 keeps all.
    top_k: u32,
    seed: u32,
    // Whether `allowed` restricts the choice.
    uses_allowed: u32,
    // Whether `bias` is added to the logits.
    uses_bias: u32,
}

// The logit of a token that must not be chosen: finite, so that differences of logits are never NaN.
const FORBIDDEN: f32 = -3.0e38;

// Marks a token of the prompt in `history`; the lower bits count how often a token was generated.
const IN_PROMPT: u32 = 0x80000000u;

// The likeliest token of a part of the vocabulary.
struct Candidate {
    logit: f32,
    id: u32,
}

// Orders candidates: higher logit first, then lower id.
fn likelier(a: Candidate, b: Candidate) -> Candidate {
    if (b.logit > a.logit || (b.logit == a.logit && b.id < a.id)) {
        return b;
    }
    return a;
}

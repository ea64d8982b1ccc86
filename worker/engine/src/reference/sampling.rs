//! Twins of `kernels/logit_scan.wgsl` and `kernels/sample.wgsl`.

use crate::sampling::SamplingParams;

/// Marks a token of the prompt in a history; the lower bits count how often it was generated.
pub const IN_PROMPT: u32 = 0x8000_0000;

/// One in fixed point, see `sample.wgsl`.
const UNIT: f32 = 1_073_741_824.0;

/// The logit of a token that may not be chosen.
pub const FORBIDDEN: f32 = -3.0e38;

/// A logit after penalties and temperature, given what was `seen` of its token. A bias is added before.
pub fn penalise(logit: f32, seen: u32, params: &SamplingParams) -> f32 {
    let mut value = logit;
    if seen != 0 {
        value = if value > 0.0 { value / params.repetition_penalty } else { value * params.repetition_penalty };
        let count = seen & !IN_PROMPT;
        if count > 0 {
            value -= count as f32 * params.frequency_penalty + params.presence_penalty;
        }
    }
    if params.temperature > 0.0 { value / params.temperature } else { value }
}

/// The tokens that sampling can choose from penalised `logits`, with their weights, in the order of ids.
pub fn candidates(logits: &[f32], params: &SamplingParams) -> Vec<(usize, u32)> {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f32 = logits.iter().map(|logit| (logit - highest).exp()).sum();
    let weight = |logit: f32| ((logit - highest).exp() / total * UNIT) as u32;
    let mut sorted = logits.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));

    let mut lowest = f32::NEG_INFINITY;
    if params.top_k > 0 {
        lowest = sorted[(params.top_k as usize).min(sorted.len()) - 1];
    }
    if params.top_p < 1.0 {
        let kept: u32 = sorted.iter().filter(|logit| **logit >= lowest).map(|logit| weight(*logit)).sum();
        let target = (kept as f32 * params.top_p).ceil() as u32;
        let mut sum = 0;
        let reached = sorted.iter().find(|logit| {
            sum += weight(**logit);
            sum >= target
        });
        lowest = lowest.max(reached.copied().unwrap_or(f32::NEG_INFINITY));
    }
    if params.min_p > 0.0 {
        lowest = lowest.max(highest + params.min_p.ln());
    }
    let lowest = lowest.min(highest);
    logits.iter().enumerate().filter(|(_, logit)| **logit >= lowest).map(|(id, logit)| (id, weight(*logit))).collect()
}

/// The token that step `step` draws from penalised `logits`.
pub fn sample(logits: &[f32], params: &SamplingParams, step: u32) -> usize {
    let kept = candidates(logits, params);
    let all: u32 = kept.iter().map(|(_, weight)| weight).sum();
    let mut left = pcg(params.seed ^ pcg(step + 1)) % all.max(1);
    for (id, weight) in &kept {
        if left < *weight {
            return *id;
        }
        left -= weight;
    }
    unreachable!("the weights sum to `all`, and `left` starts below it")
}

/// PCG hash (Jarzynski and Olano 2020, "Hash Functions for GPU Rendering").
pub fn pcg(value: u32) -> u32 {
    let state = value.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let word = ((state >> ((state >> 28) + 4)) ^ state).wrapping_mul(277_803_737);
    (word >> 22) ^ word
}

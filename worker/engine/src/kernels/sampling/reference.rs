//! References of `logit_scan.wgsl` and `sample.wgsl`.

use crate::sampling::{IN_PROMPT, SamplingParams};

/// 1 in fixed point, see `sample.wgsl`.
const UNIT: f32 = 1_073_741_824.0;

/// The logit of a token that must not be chosen.
pub const FORBIDDEN: f32 = -3.0e38;

/// A logit after penalties and temperature; `seen` is its token's history entry. The bias is added before.
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

/// The lowest penalised logit that can be sampled.
fn cutoff(logits: &[f32], params: &SamplingParams) -> f32 {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut lowest = f32::NEG_INFINITY;
    let mut sorted = Vec::new();
    if params.top_k > 0 || params.top_p < 1.0 {
        sorted.extend_from_slice(logits);
        sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    }
    if params.top_k > 0 {
        lowest = sorted[(params.top_k as usize).min(sorted.len()) - 1];
    }
    if params.top_p < 1.0 {
        let total: f32 = logits.iter().map(|logit| (logit - highest).exp()).sum();
        let weight = |logit: f32| ((logit - highest).exp() / total * UNIT) as u32;
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
    lowest.min(highest)
}

/// Arrival time of a token in the race of step `step`, see `sample.wgsl`; exponentially distributed.
fn arrival(id: usize, salt: u32) -> f32 {
    let u = (pcg(pcg(id as u32) ^ salt) as f32 + 0.5) / 4_294_967_296.0;
    if u < 0.0625 { u * (1.0 + u * (0.5 + u * (1.0 / 3.0 + u * 0.25))) } else { -(1.0 - u.min(0.999_999_94)).ln() }
}

/// The tokens that can be sampled from penalised `logits` in step `step`, with their values in the race; the highest
/// wins.
pub fn race(logits: &[f32], params: &SamplingParams, step: u32) -> impl Iterator<Item = (usize, f32)> {
    let lowest = cutoff(logits, params);
    let salt = pcg(params.seed ^ pcg(step + 1));
    logits
        .iter()
        .enumerate()
        .filter(move |(_, logit)| **logit >= lowest)
        .map(move |(id, logit)| (id, logit - arrival(id, salt).ln()))
}

/// The token sampled from penalised `logits` in step `step`; the first one if all logits are NaN.
pub fn sample(logits: &[f32], params: &SamplingParams, step: u32) -> usize {
    let first = (0, f32::NEG_INFINITY);
    race(logits, params, step).fold(first, |best, own| if own.1 > best.1 { own } else { best }).0
}

/// PCG hash (Jarzynski and Olano 2020, "Hash Functions for GPU Rendering").
pub fn pcg(value: u32) -> u32 {
    let state = value.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let word = ((state >> ((state >> 28) + 4)) ^ state).wrapping_mul(277_803_737);
    (word >> 22) ^ word
}

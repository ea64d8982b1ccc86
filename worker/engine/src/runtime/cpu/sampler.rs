//! Sampling on the CPU.
//!
//! A seed gives the same tokens on every device, so the CPU samples with the reference implementation of the GPU's
//! kernels: a second implementation would have to repeat each of its roundings.

use crate::kernels::sampling::reference::{FORBIDDEN, penalise, sample};
use crate::sampling::{SamplingParams, SamplingPlan};

/// The state of sampling one answer.
pub(super) struct Sampler {
    params: SamplingParams,
    /// Occurrences of each token, see [`crate::sampling::IN_PROMPT`].
    history: Vec<u32>,
    bias: Vec<(u32, f32)>,
    /// Tokens generated so far.
    step: u32,
}

impl Sampler {
    pub(super) fn new(plan: &SamplingPlan<'_>, history: Vec<u32>) -> Self {
        Self { params: plan.params, history, bias: plan.bias.to_vec(), step: plan.generated as u32 }
    }

    /// Continues with another step. `seen` has history entries that may have changed, by token.
    pub(super) fn go_to(&mut self, step: usize, seen: &[(u32, u32)]) {
        self.step = step as u32;
        for (id, seen) in seen {
            self.history[*id as usize] = *seen;
        }
    }

    /// Samples the next token. With `allowed`, only tokens whose bit is set there can be chosen.
    pub(super) fn choose(&mut self, logits: &[f32], allowed: Option<&[u32]>) -> u32 {
        let mut logits = logits.to_vec();
        for (id, bias) in &self.bias {
            logits[*id as usize] += bias;
        }
        for (id, (logit, seen)) in logits.iter_mut().zip(&self.history).enumerate() {
            let is_allowed = allowed.is_none_or(|allowed| (allowed[id / 32] >> (id % 32)) & 1 == 1);
            *logit = if is_allowed { penalise(*logit, *seen, &self.params) } else { FORBIDDEN };
        }
        let chosen = if self.params.temperature > 0.0 {
            sample(&logits, &self.params, self.step)
        } else {
            // Among equal logits, the first wins.
            (1..logits.len()).fold(0, |best, id| if logits[id] > logits[best] { id } else { best })
        };
        self.step += 1;
        self.history[chosen] += 1;
        chosen as u32
    }
}

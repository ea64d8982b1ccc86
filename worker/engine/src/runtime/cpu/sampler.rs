//! Choosing tokens on the CPU, as the kernels do it.

use crate::reference::sampling::{FORBIDDEN, penalise, sample};
use crate::sampling::{SamplingParams, SamplingPlan};

/// What an answer's tokens are chosen by.
pub(super) struct Sampler {
    params: SamplingParams,
    /// What was seen of each token, see [`crate::reference::sampling::IN_PROMPT`].
    history: Vec<u32>,
    bias: Vec<(u32, f32)>,
    /// Tokens chosen since the answer began.
    step: u32,
}

impl Sampler {
    pub(super) fn new(plan: &SamplingPlan<'_>, history: Vec<u32>) -> Self {
        Self { params: plan.params, history, bias: plan.bias.to_vec(), step: plan.generated as u32 }
    }

    /// Chooses the next token from `logits`, among those whose bit is set in `allowed` if there is one.
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
            // The first of the likeliest.
            (1..logits.len()).fold(0, |best, id| if logits[id] > logits[best] { id } else { best })
        };
        self.step += 1;
        self.history[chosen] += 1;
        chosen as u32
    }
}

//! Sampling parameters of a request.

use crate::error::{EngineError, Result};

/// Sampling parameters, in the layout of `kernels/sampling/sampling.wgsl`.
///
/// They apply in this order: penalties, temperature, top-k, top-p, min-p. The repetition penalty covers
/// prompt and answer, the frequency and presence penalties the answer alone, as OpenAI defines them.
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct SamplingParams {
    /// 0 always takes the likeliest token.
    pub temperature: f32,
    /// Keep the likeliest tokens whose probabilities sum to this; 1 keeps all.
    pub top_p: f32,
    /// Keep tokens with at least this probability relative to the likeliest; 0 keeps all.
    pub min_p: f32,
    /// Divides positive and multiplies negative logits of tokens that occurred before; 1 disables it.
    pub repetition_penalty: f32,
    /// Subtracted from a token's logit for each time it was generated.
    pub frequency_penalty: f32,
    /// Subtracted once from the logit of a token that was generated.
    pub presence_penalty: f32,
    /// Keep this many of the likeliest tokens; 0 keeps all.
    pub top_k: u32,
    /// The same seed, prompt and parameters give the same answer on the same device.
    pub seed: u32,
}

/// Marks a token of the prompt in a history; the lower bits count how often the token was generated.
pub const IN_PROMPT: u32 = 0x8000_0000;

/// How an answer is sampled.
#[derive(Debug, Clone, Copy)]
pub struct SamplingPlan<'a> {
    /// The parameters.
    pub params: SamplingParams,
    /// Added to the logits of some tokens (ID, bias), before penalties and temperature.
    pub bias: &'a [(u32, f32)],
    /// Number of tokens at the end of the prompt that were generated: they belong to an answer that is being continued.
    pub generated: usize,
    /// Enables speculative decoding by prompt lookup: draft tokens come from the sequence so far and from these tokens,
    /// which predict the answer. The answer is the same except for rounding.
    pub draft_from: Option<&'a [u32]>,
}

/// History entry of each token of a vocabulary, see [`IN_PROMPT`]: the last `generated` tokens of the prompt belong to
/// the answer.
pub(crate) fn history(vocab: usize, prompt: &[u32], generated: usize) -> Vec<u32> {
    let mut history = vec![0u32; vocab];
    let (given, generated) = prompt.split_at(prompt.len() - generated.min(prompt.len()));
    for token in given {
        history[*token as usize] = IN_PROMPT;
    }
    for token in generated {
        history[*token as usize] += 1;
    }
    history
}

impl From<&SamplingParams> for SamplingPlan<'_> {
    fn from(params: &SamplingParams) -> Self {
        Self { params: *params, bias: &[], generated: 0, draft_from: None }
    }
}

impl SamplingParams {
    /// Always takes the likeliest token.
    pub const GREEDY: Self = Self {
        temperature: 0.0,
        top_p: 1.0,
        min_p: 0.0,
        repetition_penalty: 1.0,
        frequency_penalty: 0.0,
        presence_penalty: 0.0,
        top_k: 0,
        seed: 0,
    };

    /// Checks every parameter against its range.
    ///
    /// # Errors
    /// [`EngineError::InvalidSampling`] with the first parameter out of range; NaN is out of every range.
    pub fn validate(&self) -> Result<()> {
        let checks = [
            ("temperature", self.temperature, 0.0, 2.0, "between 0 and 2"),
            ("top_p", self.top_p, f32::MIN_POSITIVE, 1.0, "above 0 and at most 1"),
            ("min_p", self.min_p, 0.0, 1.0, "between 0 and 1"),
            ("repetition_penalty", self.repetition_penalty, 0.01, 10.0, "between 0.01 and 10"),
            ("frequency_penalty", self.frequency_penalty, -2.0, 2.0, "between -2 and 2"),
            ("presence_penalty", self.presence_penalty, -2.0, 2.0, "between -2 and 2"),
        ];
        for (name, value, min, max, range) in checks {
            if !(min..=max).contains(&value) {
                return Err(EngineError::InvalidSampling { name, range, value });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_out_of_range_are_named() {
        assert_eq!(SamplingParams::GREEDY.validate(), Ok(()));
        let cases = [
            (SamplingParams { temperature: -0.1, ..SamplingParams::GREEDY }, "temperature"),
            (SamplingParams { temperature: f32::NAN, ..SamplingParams::GREEDY }, "temperature"),
            (SamplingParams { top_p: 0.0, ..SamplingParams::GREEDY }, "top_p"),
            (SamplingParams { min_p: 1.5, ..SamplingParams::GREEDY }, "min_p"),
            (SamplingParams { repetition_penalty: 0.0, ..SamplingParams::GREEDY }, "repetition_penalty"),
            (SamplingParams { frequency_penalty: 3.0, ..SamplingParams::GREEDY }, "frequency_penalty"),
            (SamplingParams { presence_penalty: -3.0, ..SamplingParams::GREEDY }, "presence_penalty"),
        ];
        for (params, expected) in cases {
            assert!(
                matches!(params.validate(), Err(EngineError::InvalidSampling { name, .. }) if name == expected),
                "{expected}"
            );
        }
    }
}

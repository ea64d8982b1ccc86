//! An answer one token at a time, where the host influences the choice: grammars, logit processors, log probabilities.
//!
//! On a GPU a step takes two submissions. [`Stepwise::begin`] starts the forward pass; while the GPU computes, the host
//! determines the allowed tokens; [`Stepwise::choose`] submits the sampler and waits for the token.

use crate::error::Result;
use crate::runtime::backend::{Decoder, Step};
use crate::runtime::memory::Sequences;

/// An answer in progress, one token at a time. Dropping it stops it.
pub struct Stepwise<'m> {
    sequences: &'m mut Sequences,
    decoder: &'m mut dyn Decoder,
    /// Context length in tokens.
    context: usize,
    /// The last token returned; it enters the cache when the next one is computed.
    last: u32,
    has_begun: bool,
}

impl<'m> Stepwise<'m> {
    pub(super) fn new(
        (sequences, decoder): (&'m mut Sequences, &'m mut dyn Decoder),
        last: u32,
        context: usize,
    ) -> Self {
        Self { sequences, decoder, context, last, has_begun: false }
    }

    /// Starts to compute the next logits; on a GPU without waiting. `false` if the context is full.
    ///
    /// # Errors
    /// Whatever the device reported.
    pub async fn begin(&mut self) -> Result<bool> {
        let position = self.sequences.len();
        if position >= self.context {
            return Ok(false);
        }
        self.decoder.begin_step(position).await?;
        self.sequences.push(self.last);
        self.has_begun = true;
        Ok(true)
    }

    /// The logits that [`Stepwise::begin`] started to compute: `[vocab]`.
    ///
    /// # Errors
    /// Whatever the device reported.
    pub async fn logits(&mut self) -> Result<Vec<f32>> {
        self.decoder.step_logits(0).await
    }

    /// Replaces these logits: `[vocab]`.
    pub fn set_logits(&mut self, logits: &[f32]) {
        self.decoder.set_step_logits(0, logits);
    }

    /// Samples the next token, restricted to tokens whose bit is set in `allowed` if given.
    ///
    /// # Errors
    /// Whatever the device reported.
    pub async fn choose(&mut self, allowed: Option<&[u32]>, wants_logits: bool) -> Result<Step> {
        let has_begun = std::mem::take(&mut self.has_begun);
        debug_assert!(has_begun, "`begin` comes first");
        let step = self.decoder.choose(allowed, wants_logits).await?;
        self.last = step.token;
        Ok(step)
    }
}

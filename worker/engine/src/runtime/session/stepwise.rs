//! An answer token by token, for what the host has a say in: grammars, logit processors, log probabilities.
//!
//! On a GPU a step is two submissions. [`Stepwise::begin`] starts the forward pass; while the GPU computes, the host finds out
//! which tokens are allowed; [`Stepwise::choose`] submits the sampler and waits for the token.

use super::model::Model;
use crate::error::Result;
use crate::runtime::backend::Step;

/// An answer under way, one token at a time. Dropping it stops it.
pub struct Stepwise<'m> {
    model: &'m mut Model,
    /// The token given last: it is cached when the next is computed.
    last: u32,
    has_begun: bool,
}

impl<'m> Stepwise<'m> {
    pub(super) fn new(model: &'m mut Model, last: u32) -> Self {
        Self { model, last, has_begun: false }
    }

    /// Starts to compute the next logits; on a GPU without waiting for them. `false` if the context is full.
    ///
    /// # Errors
    /// Whatever the device reported.
    pub async fn begin(&mut self) -> Result<bool> {
        let position = self.model.sequences.len();
        if position >= self.model.context_tokens() as usize {
            return Ok(false);
        }
        self.model.decoder.begin_step(position).await?;
        self.model.sequences.push(self.last);
        self.has_begun = true;
        Ok(true)
    }

    /// The logits that [`Stepwise::begin`] computes: `[vocab]`.
    ///
    /// # Errors
    /// Whatever the device reported.
    pub async fn logits(&mut self) -> Result<Vec<f32>> {
        self.model.decoder.step_logits().await
    }

    /// Puts other logits in their place: `[vocab]`.
    pub fn set_logits(&mut self, logits: &[f32]) {
        debug_assert_eq!(logits.len(), self.model.config().vocab as usize);
        self.model.decoder.set_step_logits(logits);
    }

    /// Chooses the next token, among those whose bit is set in `allowed` if there is one.
    ///
    /// # Errors
    /// Whatever the device reported.
    pub async fn choose(&mut self, allowed: Option<&[u32]>, wants_logits: bool) -> Result<Step> {
        let has_begun = std::mem::take(&mut self.has_begun);
        debug_assert!(has_begun, "`begin` comes first");
        let step = self.model.decoder.choose(allowed, wants_logits).await?;
        self.last = step.token;
        Ok(step)
    }
}

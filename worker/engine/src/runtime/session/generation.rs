//! An answer in progress: yields tokens as they are sampled, several at once where draft tokens are accepted.

use std::collections::VecDeque;

use web_time::Instant;

use super::prompt_lookup::{DraftStats, PromptLookup};
use crate::error::Result;
use crate::runtime::backend::{Batch, Decoder};
use crate::runtime::memory::Sequences;

/// Why a generation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GenerationEnd {
    /// `max_tokens` were returned.
    MaxTokens,
    /// The context is full.
    ContextFull,
}

/// An answer in progress: a pull iterator over tokens.
///
/// Dropping it stops it; tokens in flight are discarded.
pub struct Generation<'m> {
    sequences: &'m mut Sequences,
    decoder: &'m mut dyn Decoder,
    /// `None` without speculative decoding.
    lookup: Option<PromptLookup>,
    /// Tokens that were sampled and not yet returned.
    ready: VecDeque<u32>,
    /// The last token returned; it enters the cache when the next one is computed.
    last: u32,
    given: usize,
    limit: usize,
    end: GenerationEnd,
}

impl<'m> Generation<'m> {
    /// `last` is the last token of the prompt, `limit` the maximum number of tokens, and `end` the reason for that
    /// limit.
    pub(super) fn new(
        (sequences, decoder): (&'m mut Sequences, &'m mut dyn Decoder),
        last: u32,
        limit: usize,
        end: GenerationEnd,
        lookup: Option<PromptLookup>,
    ) -> Self {
        Self { sequences, decoder, lookup, ready: VecDeque::new(), last, given: 0, limit, end }
    }

    /// The next token, or `None` at the limit; [`Generation::end`] says which limit.
    ///
    /// Stopping at end-of-turn tokens is up to the caller.
    ///
    /// # Errors
    /// Whatever the device reported.
    pub async fn next(&mut self) -> Result<Option<u32>> {
        if self.given == self.limit {
            return Ok(None);
        }
        while self.ready.is_empty() {
            let draft = self.draft();
            let tokens = if draft.is_empty() || !self.decoder.is_idle() {
                self.compute(draft.is_empty()).await?
            } else {
                self.verify(&draft).await?
            };
            if tokens.is_empty() {
                return Ok(None);
            }
            self.ready.extend(tokens);
        }
        let token = self.ready.pop_front();
        if let Some(token) = token {
            self.sequences.push(self.last);
            self.last = token;
            self.given += 1;
        }
        Ok(token)
    }

    /// The limit that ends this generation.
    pub fn end(&self) -> GenerationEnd {
        self.end
    }

    /// How many draft tokens were accepted and rejected so far.
    pub fn drafts(&self) -> DraftStats {
        self.lookup.as_ref().map(PromptLookup::stats).unwrap_or_default()
    }

    /// Draft tokens for what comes next. Verifying them yields one more token.
    fn draft(&self) -> Vec<u32> {
        // Whether verification pays off can only be judged once the time per token is known.
        let decoder = &*self.decoder;
        let Some(lookup) = self.lookup.as_ref().filter(|_| decoder.seconds_per_token().is_some()) else {
            return Vec::new();
        };
        lookup.draft(decoder.max_choices().min(self.limit - self.given) - 1).to_vec()
    }

    /// Computes the next tokens without drafts. Unless `submit_more`, only those already in flight.
    async fn compute(&mut self, submit_more: bool) -> Result<Vec<u32>> {
        let tokens = self.decoder.next_tokens(submit_more).await?;
        if let Some(lookup) = &mut self.lookup {
            lookup.extend(&tokens);
        }
        Ok(tokens)
    }

    /// Verifies a draft: returns the accepted tokens and one more. Nothing may be in flight.
    async fn verify(&mut self, draft: &[u32]) -> Result<Vec<u32>> {
        let start = Instant::now();
        let (sequences, decoder) = (&mut *self.sequences, &mut *self.decoder);
        if !sequences.hold_state(decoder).await {
            // No memory for the copy that undoing a draft takes.
            self.lookup = None;
            return self.compute(true).await;
        }
        let one_by_one = decoder.seconds_per_token().unwrap_or_default();
        let fed = [&[self.last], draft].concat();
        let mut chosen = decoder.choices(&fed).await?;
        let accepted = draft.iter().zip(&chosen).take_while(|(draft, chosen)| draft == chosen).count();
        let vain = chosen.split_off(accepted + 1);
        if accepted < draft.len() && decoder.layout().is_recurrent {
            // The state has seen rejected tokens: restore it and replay the accepted ones. All tokens returned so far
            // are computed, so the draft began here.
            sequences.restore_held_state(decoder);
            decoder.run_batch(sequences.len(), Batch::Tokens(&fed[..=accepted])).await?;
        }
        let Some(lookup) = &mut self.lookup else { return Ok(chosen) };
        lookup.extend(&chosen);
        let seen: Vec<_> = vain.iter().map(|id| (*id, lookup.seen(*id))).collect();
        self.decoder.resume(chosen.len(), lookup.last(), &seen);
        let was_worth_it = start.elapsed().as_secs_f64() < one_by_one * chosen.len() as f64;
        lookup.verified(accepted, draft.len() - accepted, was_worth_it);
        Ok(chosen)
    }
}

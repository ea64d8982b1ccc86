//! An answer in progress: yields tokens as they are sampled, several at once where draft tokens are accepted.

use std::collections::VecDeque;

use web_time::Instant;

use super::drafts::{DraftStats, Drafts};
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
    drafts: Drafts<'m>,
    /// Tokens that were sampled and not yet returned.
    ready: VecDeque<u32>,
    /// The last token returned; it enters the cache when the next one is computed.
    last: u32,
    given: usize,
    limit: usize,
    end: GenerationEnd,
}

impl<'m> Generation<'m> {
    /// After a prompt that ends with the text of `drafts`. `limit` is the maximum number of tokens, and `end` the reason
    /// for that limit.
    pub(super) fn new(
        (sequences, decoder): (&'m mut Sequences, &'m mut dyn Decoder),
        drafts: Drafts<'m>,
        limit: usize,
        end: GenerationEnd,
    ) -> Self {
        let last = drafts.text().last();
        Self { sequences, decoder, drafts, ready: VecDeque::new(), last, given: 0, limit, end }
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
            let most = self.most_drafted();
            let is_due = self.drafts.is_due(most);
            let tokens = if is_due && self.decoder.is_idle() {
                self.speculate(most).await?
            } else {
                self.compute(!is_due).await?
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
        self.drafts.stats()
    }

    /// Maximum number of draft tokens for what comes next. Verifying them yields one more token.
    fn most_drafted(&self) -> usize {
        // Whether verification pays off can only be judged once the time per token is known.
        match self.decoder.seconds_per_token() {
            Some(_) => self.decoder.max_choices().min(self.limit - self.given).saturating_sub(1),
            None => 0,
        }
    }

    /// Computes the next tokens without drafts. Unless `submit_more`, only those already in flight.
    async fn compute(&mut self, submit_more: bool) -> Result<Vec<u32>> {
        let tokens = self.decoder.next_tokens(submit_more).await?;
        self.drafts.extend(&tokens);
        Ok(tokens)
    }

    /// Drafts at most `most` tokens and verifies them: returns the accepted ones and one more. Nothing may be in flight.
    async fn speculate(&mut self, most: usize) -> Result<Vec<u32>> {
        if !self.sequences.hold_state(&mut *self.decoder).await {
            // No memory for the copy that undoing a draft takes.
            self.drafts.give_up();
            return self.compute(true).await;
        }
        let start = Instant::now();
        let one_by_one = self.decoder.seconds_per_token().unwrap_or_default();
        let draft = self.drafts.next(most, one_by_one).await?;
        if draft.is_empty() {
            return self.compute(true).await;
        }
        let (sequences, decoder) = (&mut *self.sequences, &mut *self.decoder);
        let fed = [&[self.last], &draft[..]].concat();
        let mut chosen = decoder.choices(&fed).await?;
        let accepted = draft.iter().zip(&chosen).take_while(|(draft, chosen)| draft == chosen).count();
        let vain = chosen.split_off(accepted + 1);
        if accepted < draft.len() && decoder.layout().is_recurrent {
            // The state has seen rejected tokens: restore it and replay the accepted ones. All tokens returned so far
            // are computed, so the draft began here.
            sequences.restore_held_state(decoder);
            decoder.run_batch(sequences.len(), Batch::Tokens(&fed[..=accepted])).await?;
        }
        self.drafts.extend(&chosen);
        let text = self.drafts.text();
        let seen: Vec<_> = vain.iter().map(|id| (*id, text.seen(*id))).collect();
        self.decoder.resume(chosen.len(), text.last(), &seen);
        self.drafts.verified([accepted, draft.len() - accepted], start.elapsed().as_secs_f64(), one_by_one);
        Ok(chosen)
    }
}

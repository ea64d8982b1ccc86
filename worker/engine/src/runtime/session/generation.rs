//! An answer under way: its tokens as they are chosen, several at once where drafts are right.

use std::collections::VecDeque;

use web_time::Instant;

use super::model::Model;
use super::prompt_lookup::{DraftStats, PromptLookup};
use crate::error::Result;
use crate::runtime::memory::Part;

/// Why a generation gives no more tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GenerationEnd {
    /// `max_tokens` were given.
    MaxTokens,
    /// The context is full.
    ContextFull,
}

/// An answer under way: a pull iterator over tokens.
///
/// Dropping it stops it; tokens in flight are computed but forgotten.
pub struct Generation<'m> {
    model: &'m mut Model,
    /// Absent if there are no drafts.
    lookup: Option<PromptLookup>,
    /// Tokens that were chosen and not yet given.
    ready: VecDeque<u32>,
    /// The token given last: it is cached when the next is sampled.
    last: u32,
    given: usize,
    limit: usize,
    end: GenerationEnd,
}

impl<'m> Generation<'m> {
    /// `last` is the prompt's last token, `limit` the most tokens to give, and `end` why there are no more then.
    pub(super) fn new(
        model: &'m mut Model,
        last: u32,
        limit: usize,
        end: GenerationEnd,
        lookup: Option<PromptLookup>,
    ) -> Self {
        Self { model, lookup, ready: VecDeque::new(), last, given: 0, limit, end }
    }

    /// The next token, or `None` at the limit; then [`Generation::end`] says which.
    ///
    /// The caller stops at tokens that end the answer.
    ///
    /// # Errors
    /// Whatever the device reported.
    pub async fn next(&mut self) -> Result<Option<u32>> {
        if self.given == self.limit {
            return Ok(None);
        }
        while self.ready.is_empty() {
            let draft = self.draft();
            let tokens = if draft.is_empty() || !self.model.decoder.is_idle() {
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
            self.model.sequences.push(self.last);
            self.last = token;
            self.given += 1;
        }
        Ok(token)
    }

    /// Which limit ends this generation.
    pub fn end(&self) -> GenerationEnd {
        self.end
    }

    /// How many draft tokens were right so far.
    pub fn drafts(&self) -> DraftStats {
        self.lookup.as_ref().map(PromptLookup::stats).unwrap_or_default()
    }

    /// Draft tokens that may come after those that are known. One more is computed with them.
    fn draft(&self) -> Vec<u32> {
        // Whether a draft is worth its time is known only once a token's is.
        let decoder = &self.model.decoder;
        let Some(lookup) = self.lookup.as_ref().filter(|_| decoder.seconds_per_token().is_some()) else {
            return Vec::new();
        };
        lookup.draft(decoder.max_choices().min(self.limit - self.given) - 1).to_vec()
    }

    /// The next tokens, the usual way. Without `goes_on`, only those that are being computed already.
    async fn compute(&mut self, goes_on: bool) -> Result<Vec<u32>> {
        let tokens = self.model.decoder.next_tokens(goes_on).await?;
        if let Some(lookup) = &mut self.lookup {
            lookup.extend(&tokens);
        }
        Ok(tokens)
    }

    /// The tokens of a draft that are right, and one more. Nothing may be being computed.
    async fn verify(&mut self, draft: &[u32]) -> Result<Vec<u32>> {
        let start = Instant::now();
        let one_by_one = self.model.decoder.seconds_per_token().unwrap_or_default();
        let fed = [&[self.last], draft].concat();
        // Everything that was given before is computed, so this is where the draft is fed.
        let position = self.model.sequences.len();
        let is_stateless = self.model.decoder.layout().is_stateless();
        let state = match is_stateless {
            true => None,
            false => Some(self.model.decoder.copy(Part::State(position)).await?),
        };
        let mut chosen = self.model.decoder.choices(&fed).await?;
        let accepted = draft.iter().zip(&chosen).take_while(|(draft, chosen)| draft == chosen).count();
        let vain = chosen.split_off(accepted + 1);
        if let Some(state) = state {
            // The state has seen tokens that were not chosen: back, and only over those that were.
            if accepted < draft.len() {
                self.model.decoder.restore(state, Part::State(position));
                self.model.decoder.run_batch(position, &fed[..=accepted]).await?;
            }
            self.model.decoder.forget(state);
        }
        let Some(lookup) = &mut self.lookup else { return Ok(chosen) };
        lookup.extend(&chosen);
        let seen: Vec<_> = vain.iter().map(|id| (*id, lookup.seen(*id))).collect();
        self.model.decoder.resume(chosen.len(), lookup.last(), &seen);
        let was_worth_it = start.elapsed().as_secs_f64() < one_by_one * chosen.len() as f64;
        lookup.verified(accepted, draft.len() - accepted, was_worth_it);
        Ok(chosen)
    }
}

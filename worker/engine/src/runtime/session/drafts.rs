//! Speculative decoding: where the draft tokens of an answer come from, and what became of them.
//!
//! The model verifies a draft in one pass, which costs little more than one token where time is dominated by reading
//! weights. It chooses each token itself, with the same random numbers as without drafts, and a draft token is accepted if
//! it is the one chosen: so the answer is the same except for rounding.

use super::answer_text::AnswerText;
use super::drafter::Drafter;
use super::prompt_lookup::PromptLookup;
use crate::error::Result;

/// How many draft tokens of an answer were accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DraftStats {
    /// Draft tokens that the model also chose.
    pub accepted: usize,
    /// Draft tokens that the model did not choose.
    pub rejected: usize,
}

impl std::ops::Add for DraftStats {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { accepted: self.accepted + other.accepted, rejected: self.rejected + other.rejected }
    }
}

/// The drafts of an answer. What the text itself says costs nothing, so it comes before the draft model.
pub(super) struct Drafts<'m> {
    text: AnswerText,
    lookup: Option<PromptLookup>,
    model: Option<Drafter<'m>>,
    /// Whether the last draft came from the model.
    is_from_model: bool,
    stats: DraftStats,
}

impl<'m> Drafts<'m> {
    /// Drafts for an answer that continues `text`.
    pub(super) fn new(text: AnswerText, lookup: Option<PromptLookup>, model: Option<Drafter<'m>>) -> Self {
        Self { text, lookup, model, is_from_model: false, stats: DraftStats::default() }
    }

    /// How many draft tokens were accepted and rejected.
    pub(super) fn stats(&self) -> DraftStats {
        self.stats
    }

    /// The tokens so far.
    pub(super) fn text(&self) -> &AnswerText {
        &self.text
    }

    /// Appends tokens that the model chose.
    pub(super) fn extend(&mut self, tokens: &[u32]) {
        self.text.extend(tokens);
        if let Some(lookup) = &mut self.lookup {
            lookup.extend(tokens);
        }
        if let Some(model) = &mut self.model {
            model.pass(tokens.len());
        }
    }

    /// Whether to draft at most `most` tokens now.
    pub(super) fn is_due(&self, most: usize) -> bool {
        let is_found = self.lookup.as_ref().is_some_and(|lookup| !lookup.draft(most).is_empty());
        most > 0 && (is_found || self.model.as_ref().is_some_and(Drafter::is_due))
    }

    /// A draft of at most `most` tokens, if a token takes `one_by_one` seconds without. [`Drafts::verified`] must follow,
    /// unless it is empty.
    ///
    /// # Errors
    /// Whatever the draft model's device reported.
    pub(super) async fn next(&mut self, most: usize, one_by_one: f64) -> Result<Vec<u32>> {
        let found = self.lookup.as_ref().map(|lookup| lookup.draft(most)).unwrap_or_default();
        self.is_from_model = found.is_empty();
        match &mut self.model {
            _ if !found.is_empty() => Ok(found.to_vec()),
            Some(model) if model.is_due() => model.draft(&self.text, most, one_by_one).await,
            _ => Ok(Vec::new()),
        }
    }

    /// Records how many of the last draft's tokens were accepted, after what was chosen was appended. Drafting and verifying
    /// them took `seconds`; a token takes `one_by_one` without.
    pub(super) fn verified(&mut self, [accepted, rejected]: [usize; 2], seconds: f64, one_by_one: f64) {
        self.stats = self.stats + DraftStats { accepted, rejected };
        match (&mut self.model, &mut self.lookup) {
            (Some(model), _) if self.is_from_model => model.verified(&self.text, accepted, seconds),
            (_, Some(lookup)) => lookup.verified(seconds < one_by_one * (accepted + 1) as f64),
            _ => {}
        }
    }

    /// Does without drafts from now on.
    pub(super) fn give_up(&mut self) {
        (self.lookup, self.model) = (None, None);
    }
}

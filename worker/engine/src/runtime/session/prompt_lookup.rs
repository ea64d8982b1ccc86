//! Speculative decoding by prompt lookup (Saxena 2023, "Prompt Lookup Decoding"): where the last few tokens occurred
//! before, what followed them is the draft. The model verifies a draft in one pass, which costs little more than one
//! token where time is dominated by reading weights. So quotations, edited code and lists are generated several tokens
//! at a time.

use std::collections::HashMap;

use crate::sampling::IN_PROMPT;

/// Number of tokens that must match.
const NGRAM: usize = 3;
/// Pause in tokens after a draft that was not worth its time: initial and maximum.
const PAUSES: [usize; 2] = [16, 256];

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

/// The tokens so far, with the last occurrence of each n-gram.
pub(super) struct PromptLookup {
    tokens: Vec<u32>,
    /// Start of the prompt in `tokens`, after text that serves only for drafting, and start of the answer.
    prompt_start: usize,
    answer_start: usize,
    /// Index after the last occurrence of each n-gram.
    places: HashMap<[u32; NGRAM], usize>,
    /// Index after the previous occurrence of the n-gram that `tokens` ends with.
    place: Option<usize>,
    /// No drafts until there are this many tokens.
    resume_at: usize,
    pause: usize,
    stats: DraftStats,
}

impl PromptLookup {
    /// Drafts from `prediction` and from `prompt`, the last `generated` tokens of which belong to the answer.
    pub(super) fn new(prediction: &[u32], prompt: &[u32], generated: usize) -> Self {
        let prompt_start = prediction.len();
        let mut lookup = Self {
            tokens: Vec::with_capacity(2 * (prompt_start + prompt.len())),
            prompt_start,
            answer_start: prompt_start + prompt.len() - generated.min(prompt.len()),
            places: HashMap::new(),
            place: None,
            resume_at: 0,
            pause: 0,
            stats: DraftStats::default(),
        };
        lookup.extend(prediction);
        lookup.extend(prompt);
        lookup
    }

    /// Appends a token that the model chose.
    fn push(&mut self, token: u32) {
        self.tokens.push(token);
        self.place = self.tokens.last_chunk().and_then(|ngram| self.places.insert(*ngram, self.tokens.len()));
    }

    /// Appends several tokens.
    pub(super) fn extend(&mut self, tokens: &[u32]) {
        for token in tokens {
            self.push(*token);
        }
    }

    /// The last token.
    pub(super) fn last(&self) -> u32 {
        self.tokens.last().copied().unwrap_or_default()
    }

    /// A draft of at most `most` tokens; empty if no earlier occurrence is known.
    pub(super) fn draft(&self, most: usize) -> &[u32] {
        let Some(place) = self.place.filter(|_| self.tokens.len() >= self.resume_at) else { return &[] };
        let followed = &self.tokens[place..];
        &followed[..followed.len().min(most)]
    }

    /// Records how many draft tokens were accepted and whether verification was worth its time.
    pub(super) fn verified(&mut self, accepted: usize, rejected: usize, was_worth_it: bool) {
        self.stats.accepted += accepted;
        self.stats.rejected += rejected;
        self.pause = if was_worth_it { 0 } else { (2 * self.pause).clamp(PAUSES[0], PAUSES[1]) };
        self.resume_at = self.tokens.len() + self.pause;
    }

    /// How many draft tokens were accepted and rejected.
    pub(super) fn stats(&self) -> DraftStats {
        self.stats
    }

    /// History entry of a token, see [`IN_PROMPT`].
    pub(super) fn seen(&self, id: u32) -> u32 {
        let (prompt, answer) = (&self.tokens[self.prompt_start..self.answer_start], &self.tokens[self.answer_start..]);
        let count = answer.iter().filter(|token| **token == id).count() as u32;
        if prompt.contains(&id) { IN_PROMPT | count } else { count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draft_is_what_followed_the_last_occurrence() {
        let mut lookup = PromptLookup::new(&[], &[1, 2, 3, 4, 5, 9, 1, 2, 3, 6, 7, 8], 0);
        assert_eq!(lookup.draft(4), &[] as &[u32], "6, 7, 8 did not occur before");
        for token in [1, 2, 3] {
            lookup.push(token);
        }
        assert_eq!(lookup.draft(2), [6, 7]);
        assert_eq!(lookup.draft(100), [6, 7, 8, 1, 2, 3]);
        assert_eq!(lookup.last(), 3);
        // Drafts from a predicted text.
        assert_eq!(PromptLookup::new(&[4, 5, 6, 7], &[4, 5, 6], 1).draft(3), [7, 4, 5]);
        assert_eq!(PromptLookup::new(&[], &[], 0).draft(3), &[] as &[u32]);
    }

    #[test]
    fn drafts_that_do_not_pay_off_become_rarer() {
        let mut lookup = PromptLookup::new(&[], &[1; 10], 0);
        let mut waited = Vec::new();
        for _ in 0..6 {
            lookup.verified(0, 5, false);
            let mut count = 0;
            while lookup.draft(5).is_empty() {
                lookup.push(1);
                count += 1;
            }
            waited.push(count);
        }
        assert_eq!(waited, [16, 32, 64, 128, 256, 256]);
        lookup.verified(5, 0, true);
        assert!(!lookup.draft(1).is_empty());
        assert_eq!(lookup.stats(), DraftStats { accepted: 5, rejected: 30 });
    }

    #[test]
    fn history_entries_match_what_penalties_count() {
        let lookup = PromptLookup::new(&[7, 7], &[1, 2, 2, 3, 2], 2);
        assert_eq!([1, 2, 3, 7].map(|id| lookup.seen(id)), [IN_PROMPT, IN_PROMPT | 1, 1, 0]);
    }
}

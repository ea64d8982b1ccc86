//! A draft model during an answer of a larger one: it drafts the next tokens, and follows what the larger one chose.
//!
//! Its sampler has the answer's seed and steps. The choice among tokens is a race with the same arrival times in both models
//! (`kernels/sampling`), so where their distributions agree, they choose the same token.

use super::answer_text::AnswerText;
use super::draft_pace::Pace;
use super::feed::feed;
use crate::error::Result;
use crate::kernels::random::Random;
use crate::runtime::backend::{Decoder, DraftStart};
use crate::runtime::memory::Sequences;

/// What is known of a draft model between answers.
#[derive(Default)]
pub(in crate::runtime) struct DraftRecord {
    pub(super) pace: Pace,
    /// For benchmarks: what takes the place of the tokens that it drafts.
    pub(super) feigned: Option<Feigned>,
}

/// Drafts of known quality.
pub(super) struct Feigned {
    /// The tokens that the larger model will choose.
    pub(super) answer: Vec<u32>,
    /// The likelihood that a draft token is one of them.
    pub(super) acceptance: f64,
    pub(super) random: Random,
}

impl Feigned {
    /// Replaces a draft that starts at this index of the answer.
    fn replace(&mut self, start: usize, draft: &mut [u32]) {
        for (token, expected) in draft.iter_mut().zip(self.answer.iter().skip(start)) {
            let is_right = f64::from(self.random.float()) < 2.0 * self.acceptance - 1.0;
            // Another one is in the vocabulary, too.
            *token = if is_right { *expected } else { expected.checked_sub(1).unwrap_or(1) };
        }
    }
}

/// A draft model during an answer.
pub(super) struct Drafter<'m> {
    sequences: &'m mut Sequences,
    decoder: &'m mut dyn Decoder,
    record: &'m mut DraftRecord,
    /// Maximum length of its sequence.
    context: usize,
    /// Number of tokens that both models know: the vocabulary of one may be padded.
    vocab: u32,
    /// The last draft, as it was sampled.
    drafted: Vec<u32>,
    /// Number of tokens before it.
    drafted_at: usize,
    /// No more of the text than usual had to be fed before it.
    is_usual: bool,
    /// There is no memory for the copy that undoing a draft takes, or a token that one of the models does not know.
    is_at_end: bool,
}

impl<'m> Drafter<'m> {
    /// For an answer that has begun, after a prompt of `prompt_len` tokens. `context` is that of the draft model, and `vocab`
    /// the number of tokens that both models know.
    pub(super) fn new(
        (sequences, decoder): (&'m mut Sequences, &'m mut dyn Decoder),
        record: &'m mut DraftRecord,
        (context, vocab): (usize, u32),
        prompt_len: usize,
    ) -> Self {
        let (drafted, drafted_at) = (Vec::new(), prompt_len);
        Self { sequences, decoder, record, context, vocab, drafted, drafted_at, is_usual: false, is_at_end: false }
    }

    /// Whether to draft now.
    pub(super) fn is_due(&self) -> bool {
        !self.is_at_end && self.record.pace.is_due()
    }

    /// Notes that the larger model chose this many tokens.
    pub(super) fn pass(&mut self, tokens: usize) {
        self.record.pace.pass(tokens);
    }

    /// Drafts at most `most` tokens that follow `text`, if that is faster than `one_by_one` seconds per token.
    /// [`Drafter::verified`] must follow, unless the draft is empty.
    pub(super) async fn draft(&mut self, text: &AnswerText, most: usize, one_by_one: f64) -> Result<Vec<u32>> {
        let tokens = text.tokens();
        let count = self.record.pace.next_len(most.min(self.context.saturating_sub(tokens.len())), one_by_one);
        if count == 0 {
            return Ok(Vec::new());
        }
        let ids = &tokens[self.sequences.len()..];
        // More than what became of the last draft takes unusually long.
        self.is_usual = ids.len() <= self.drafted.len() + 1;
        if !self.knows(ids) || !self.hold_state(ids).await? {
            self.is_at_end = true;
            return Ok(Vec::new());
        }
        let at = self.sequences.len();
        // What its sampler has counted, or has yet to count.
        let changed = self.drafted.iter().chain(&tokens[self.drafted_at..]);
        let seen: Vec<(u32, u32)> = changed.map(|id| (*id, text.seen(*id))).collect();
        let start = DraftStart { position: at, ids: &tokens[at..], step: text.answer_len(), seen: &seen, count };
        let mut draft = self.decoder.draft(&start).await?;
        if !self.knows(&draft) {
            // It is damaged: such tokens are suppressed.
            self.is_at_end = true;
            return Ok(Vec::new());
        }
        self.drafted.clone_from(&draft);
        self.drafted_at = tokens.len();
        if let Some(feigned) = &mut self.record.feigned {
            feigned.replace(text.answer_len(), &mut draft);
        }
        Ok(draft)
    }

    /// Whether both models know these tokens.
    fn knows(&self, ids: &[u32]) -> bool {
        ids.iter().all(|id| *id < self.vocab)
    }

    /// Holds the state, if it is recurrent, before the last of the tokens `ids` that the sequence lacks: the others are fed
    /// first. Otherwise they would be fed again and again until a draft is right to its end. Returns whether there is memory
    /// for that.
    async fn hold_state(&mut self, ids: &[u32]) -> Result<bool> {
        if self.decoder.layout().is_recurrent {
            let before = &ids[..ids.len().saturating_sub(1)];
            feed(self.sequences, self.decoder, before).await?;
        }
        Ok(self.sequences.hold_state(&mut *self.decoder).await)
    }

    /// Follows the larger model, after it has accepted so many tokens of the last draft, which are now part of `text`.
    /// Drafting and verifying took `seconds`.
    pub(super) fn verified(&mut self, text: &AnswerText, accepted: usize, seconds: f64) {
        let (at, len) = (self.sequences.len(), self.drafted.len());
        self.record.pace.note(len, accepted, self.is_usual.then_some(seconds));
        // The last token of a draft was not fed.
        let fed = len.saturating_sub(1);
        let right = accepted.min(fed);
        if right < fed && self.decoder.layout().is_recurrent {
            // The state has seen rejected tokens. The next draft feeds the others once more.
            self.sequences.restore_held_state(&mut *self.decoder);
        } else {
            self.sequences.extend_tokens(&text.tokens()[at..self.drafted_at + right]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feigned_drafts_are_right_as_often_as_wanted() {
        let answer: Vec<u32> = (0..10_000).collect();
        for acceptance in [0.0, 0.8, 1.0] {
            let mut feigned = Feigned { answer: answer.clone(), acceptance, random: Random(7) };
            let mut draft = vec![u32::MAX; answer.len() - 1];
            feigned.replace(1, &mut draft);
            let right = draft.iter().zip(&answer[1..]).filter(|(token, expected)| token == expected).count();
            assert!(draft.iter().all(|token| *token < 10_000), "all are in the vocabulary");
            let share = right as f64 / draft.len() as f64;
            assert!((share - acceptance).abs() < 0.02, "{acceptance}: {share}");
        }
    }
}

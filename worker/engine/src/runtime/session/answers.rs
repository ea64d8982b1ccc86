//! Answers of a model: with the decode loop, or one token at a time.

use super::answer_text::AnswerText;
use super::drafter::{DraftRecord, Drafter};
use super::drafts::Drafts;
use super::generation::{Generation, GenerationEnd};
use super::model::Model;
use super::prompt::Prompt;
use super::prompt_lookup::PromptLookup;
use super::stepwise::Stepwise;
use crate::error::Result;
use crate::runtime::backend::AnswerStart;
use crate::sampling::{SamplingPlan, history};

/// Bias of tokens that a model must not generate: lower than any logit, but finite after division by a temperature.
const SUPPRESSION: f32 = -1e30;

impl Model {
    /// Starts an answer to `prompt`, which [`Model::prefill`] must have computed, of at most `max_tokens` tokens. If
    /// [`Model::prefill_with_draft`] has, the draft model takes part.
    ///
    /// # Errors
    /// [`EngineError::InvalidSampling`](crate::EngineError::InvalidSampling), or
    /// [`EngineError::Tokenizer`](crate::EngineError::Tokenizer) for a bias on a token outside the vocabulary.
    pub fn generate<'p>(
        &mut self,
        prompt: impl Into<Prompt<'p>>,
        plan: impl Into<SamplingPlan<'p>>,
        max_tokens: usize,
    ) -> Result<Generation<'_>> {
        let (prompt, plan) = (prompt.into().tokens(), plan.into());
        let room = self.context as usize - self.sequences.len();
        let limit = max_tokens.min(room);
        let end = if room < max_tokens { GenerationEnd::ContextFull } else { GenerationEnd::MaxTokens };
        self.begin_answer(&prompt, &plan, limit, false)?;
        let lookup = plan.draft_from.map(|expected| {
            // An answer is never longer than the context.
            let expected = &expected[..expected.len().min(self.context as usize)];
            PromptLookup::new(expected, &prompt)
        });
        let drafter = match &mut self.draft {
            Some(draft) => draft.begin_drafting(&mut self.drafting, self.config.vocab, &prompt, &plan)?,
            None => None,
        };
        let drafts = Drafts::new(AnswerText::new(prompt, plan.generated), lookup, drafter);
        Ok(Generation::new((&mut self.sequences, &mut *self.decoder), drafts, limit, end))
    }

    /// Starts to draft an answer of a model whose vocabulary has `vocab` tokens; `None` if this one does not hold the prompt.
    fn begin_drafting<'m>(
        &'m mut self,
        record: &'m mut DraftRecord,
        vocab: u32,
        prompt: &[u32],
        plan: &SamplingPlan<'_>,
    ) -> Result<Option<Drafter<'m>>> {
        let own_vocab = self.config.vocab;
        let Some((last, before)) = prompt.split_last() else { return Ok(None) };
        let held = self.sequences.elements().iter().map(|element| element.token());
        if *last >= own_vocab || !held.eq(before.iter().copied().map(Some)) {
            return Ok(None);
        }
        // One of the vocabularies may be padded.
        let known = plan.bias.iter().copied().filter(|(id, _)| *id < own_vocab);
        let bias: Vec<(u32, f32)> = known.chain((vocab..own_vocab).map(|id| (id, SUPPRESSION))).collect();
        self.begin_answer(prompt, &SamplingPlan { bias: &bias, ..*plan }, usize::MAX, false)?;
        let room = (self.context as usize, own_vocab.min(vocab));
        Ok(Some(Drafter::new((&mut self.sequences, &mut *self.decoder), record, room, prompt.len())))
    }

    /// Like [`Model::generate`], but one token at a time, so that the host can influence each choice.
    ///
    /// # Errors
    /// As [`Model::generate`].
    pub fn generate_stepwise<'p>(
        &mut self,
        prompt: impl Into<Prompt<'p>>,
        plan: impl Into<SamplingPlan<'p>>,
    ) -> Result<Stepwise<'_>> {
        let last = self.begin_answer(&prompt.into().tokens(), &plan.into(), usize::MAX, false)?;
        Ok(Stepwise::new((&mut self.sequences, &mut *self.decoder), last, self.context as usize))
    }

    /// Starts an answer of at most `limit` tokens to a prompt with these tokens, alone or together with others, and returns
    /// the last of these tokens.
    pub(super) fn begin_answer(
        &mut self,
        prompt: &[u32],
        plan: &SamplingPlan<'_>,
        limit: usize,
        is_joint: bool,
    ) -> Result<u32> {
        plan.params.validate()?;
        self.check_tokens(&plan.bias.iter().map(|(id, _)| *id).collect::<Vec<_>>())?;
        let history = history(self.config.vocab as usize, prompt, plan.generated);
        let last = prompt.last().copied().unwrap_or_default();
        // Last, so that no other bias counts.
        let suppressed = self.chat.suppressed_ids().iter().map(|id| (*id, SUPPRESSION));
        let bias: Vec<(u32, f32)> = plan.bias.iter().copied().chain(suppressed).collect();
        let plan = &SamplingPlan { bias: &bias, ..*plan };
        let start = AnswerStart { position: self.sequences.len(), last, limit, plan, history };
        if is_joint {
            self.decoder.join(&start);
        } else {
            self.decoder.begin_answer(&start);
        }
        Ok(last)
    }
}

//! Tokens of several sequences at once, which share the reading of weights. Each sequence has an answer with sampling of
//! its own; [`Schedule`](super::Schedule) says whose turn it is.

use super::model::Model;
use super::prompt::Prompt;
use crate::error::{EngineError, Result};
use crate::runtime::backend::{Choice, Decoder, SequenceToken, Step};
use crate::sampling::SamplingPlan;

/// A token of each of several answers, from [`Model::begin_step`]. On a GPU it is being computed, while the host determines
/// the allowed tokens.
pub struct JointStep<'m> {
    decoder: &'m mut dyn Decoder,
    /// The last token of each sequence of the model.
    last: &'m mut [u32],
    /// The sequences that take part.
    sequences: Vec<usize>,
}

impl JointStep<'_> {
    /// The logits of the answer with this index among those of the step: `[vocab]`.
    ///
    /// # Errors
    /// Whatever the device reported.
    pub async fn logits(&mut self, index: usize) -> Result<Vec<f32>> {
        self.decoder.step_logits(index).await
    }

    /// Replaces these logits: `[vocab]`.
    pub fn set_logits(&mut self, index: usize, logits: &[f32]) {
        self.decoder.set_step_logits(index, logits);
    }

    /// Samples the next token of each answer, with a choice for each.
    ///
    /// # Errors
    /// Whatever the device reported.
    pub async fn choose(self, choices: &[Choice<'_>]) -> Result<Vec<Step>> {
        debug_assert_eq!(choices.len(), self.sequences.len(), "there is a choice for each");
        let choices: Vec<_> = self.sequences.iter().copied().zip(choices.iter().copied()).collect();
        let steps = self.decoder.choose_each(&choices).await?;
        for (sequence, step) in self.sequences.iter().zip(&steps) {
            self.last[*sequence] = step.token;
        }
        Ok(steps)
    }
}

impl Model {
    /// Which of these sequences should take `prompt`: the one that shares most with it, and else the one with least to lose.
    pub fn best_sequence<'p>(&self, prompt: impl Into<Prompt<'p>>, among: &[usize]) -> Option<usize> {
        self.sequences.best_for(&prompt.into().elements(self.width()), among)
    }

    /// Maximum number of sequences for [`Model::begin_step`].
    pub fn max_joint(&self) -> usize {
        self.decoder.max_logit_rows()
    }

    /// Maximum number of tokens for [`Model::read_piece`] while others wait: a quarter of what is computed at once when
    /// nobody does, but no less than is worthwhile.
    pub fn piece_len(&self) -> usize {
        const WORTHWHILE: usize = 64;
        let len = self.decoder.batch_len();
        (len / 4).max(len.min(WORTHWHILE))
    }

    /// Whether the context of a sequence has room for another token.
    pub fn has_room(&self, sequence: usize) -> bool {
        self.sequences.len_of(sequence) < self.context as usize
    }

    /// Starts an answer of the selected sequence to `prompt`, which it must hold ([`Model::read_piece`]), to be computed by
    /// [`Model::begin_step`].
    ///
    /// # Errors
    /// As [`Model::generate`].
    pub fn join<'p>(&mut self, prompt: impl Into<Prompt<'p>>, plan: impl Into<SamplingPlan<'p>>) -> Result<()> {
        let last = self.begin_answer(&prompt.into().tokens(), &plan.into(), usize::MAX, true)?;
        self.last[self.sequences.selected()] = last;
        Ok(())
    }

    /// Starts to compute the next token of each of these sequences, all of which have [joined](Model::join); on a GPU
    /// without waiting. At most [`Model::max_joint`], each with [room](Model::has_room).
    ///
    /// # Errors
    /// [`EngineError::ContextOverflow`] if a context is full, or whatever the device reported.
    pub async fn begin_step(&mut self, sequences: &[usize]) -> Result<JointStep<'_>> {
        let selected = self.sequences.selected();
        let begun = self.begin_each(sequences).await;
        self.select(selected);
        begun?;
        Ok(JointStep { decoder: &mut *self.decoder, last: &mut self.last, sequences: sequences.to_vec() })
    }

    /// The same, but selects other sequences.
    async fn begin_each(&mut self, sequences: &[usize]) -> Result<()> {
        let tokens: Vec<_> = sequences.iter().map(|sequence| (*sequence, self.last[*sequence])).collect();
        let places = self.places(&tokens).await?;
        self.decoder.begin_each(&places).await?;
        self.push_each(&places);
        Ok(())
    }

    /// Logits after one token of each of several sequences, given with their indices, which are computed together:
    /// `[tokens][vocab]`.
    ///
    /// # Errors
    /// [`EngineError::Prompt`] if two tokens belong to the same sequence, or one to none; otherwise as
    /// [`Model::logits`].
    pub async fn each_logits(&mut self, tokens: &[(usize, u32)]) -> Result<Vec<Vec<f32>>> {
        let selected = self.sequences.selected();
        let logits = self.compute_each(tokens).await;
        self.select(selected);
        logits
    }

    /// The same, but selects other sequences.
    async fn compute_each(&mut self, tokens: &[(usize, u32)]) -> Result<Vec<Vec<f32>>> {
        let places = self.places(tokens).await?;
        let mut rows = Vec::with_capacity(tokens.len());
        for batch in places.chunks(self.decoder.max_logit_rows()) {
            let logits = self.decoder.each_logits(batch).await?;
            rows.extend(logits.chunks_exact(self.config.vocab as usize).map(<[f32]>::to_vec));
            self.push_each(batch);
        }
        Ok(rows)
    }

    /// Checks tokens that are to be appended to a sequence each, and prepares those. Selects other sequences.
    async fn places(&mut self, tokens: &[(usize, u32)]) -> Result<Vec<SequenceToken>> {
        let ids: Vec<u32> = tokens.iter().map(|(_, id)| *id).collect();
        self.check_tokens(&ids)?;
        let mut sequences: Vec<usize> = tokens.iter().map(|(sequence, _)| *sequence).collect();
        sequences.sort_unstable();
        sequences.dedup();
        if sequences.len() < tokens.len() || sequences.last().is_some_and(|last| *last >= self.sequence_count()) {
            return Err(EngineError::Prompt("its tokens need a sequence each".to_owned()));
        }
        let mut places = Vec::with_capacity(tokens.len());
        for (sequence, id) in tokens.iter().copied() {
            self.select(sequence);
            self.check_room(1)?;
            self.settle().await?;
            places.push(SequenceToken { sequence, position: self.sequences.len(), id });
        }
        Ok(places)
    }

    /// Records tokens that were computed. Selects other sequences.
    fn push_each(&mut self, tokens: &[SequenceToken]) {
        for token in tokens {
            self.select(token.sequence);
            self.sequences.push(token.id);
        }
    }
}

//! The CPU implementation of [`Decoder`].

use async_trait::async_trait;
use web_time::Instant;

use super::decoder::{Answer, CpuDecoder, MAX_BATCH};
use super::forward::Place;
use super::sampler::Sampler;
use crate::error::Result;
use crate::models::Position;
use crate::runtime::backend::{AnswerStart, Batch, Choice, Decoder, DraftStart, SequenceToken, Step};

/// Target duration of a prompt batch in seconds: short enough for quick stops.
const BATCH_SECONDS: f64 = 0.15;
/// Maximum number of tokens to verify at once; they share the work of unpacking weights.
const MAX_CHOICES: usize = 4;

impl CpuDecoder {
    /// Computes a token at `position` and the logits after it.
    async fn decode(&mut self, position: usize, id: u32) -> Result<()> {
        let hidden = self.layers(position, Batch::Tokens(&[id])).await;
        self.logits = self.head(&hidden);
        self.weights.check()
    }

    /// Computes a token of each of several sequences and the logits after each.
    async fn decode_each(&mut self, tokens: &[SequenceToken]) -> Result<()> {
        let places = tokens.iter().map(|token| Place {
            sequence: token.sequence,
            position: token.position,
            tokens: 1,
            two_way: false,
        });
        let ids: Vec<u32> = tokens.iter().map(|token| token.id).collect();
        let hidden = self.layers_at(&places.collect::<Vec<_>>(), Batch::Tokens(&ids)).await;
        self.logits = self.head(&hidden);
        self.weights.check()
    }

    /// A row of the logits: `[vocab]`.
    fn row(&self, row: usize) -> &[f32] {
        let vocab = self.config.vocab as usize;
        &self.logits[row * vocab..][..vocab]
    }
}

#[async_trait(?Send)]
impl Decoder for CpuDecoder {
    fn batch_len(&self) -> usize {
        self.seconds_per_token.map_or(4, |seconds| ((BATCH_SECONDS / seconds) as usize).clamp(4, MAX_BATCH))
    }

    fn max_logit_rows(&self) -> usize {
        self.batch_len()
    }

    fn max_batch_len(&self) -> usize {
        // Whatever there is memory for.
        usize::MAX
    }

    fn set_positions(&mut self, positions: &[Position], next: u32) {
        let memory = &mut self.memories[self.selected];
        (memory.rope, memory.window_rope) = self.angles.rows(positions, next);
    }

    async fn run_batch(&mut self, position: usize, batch: Batch<'_>) -> Result<()> {
        let start = Instant::now();
        let len = self.layers(position, batch).await.len() / self.config.embedding_len as usize;
        self.seconds_per_token = Some(start.elapsed().as_secs_f64() / len as f64);
        self.weights.check()
    }

    async fn batch_logits(&mut self, position: usize, ids: &[u32]) -> Result<Vec<f32>> {
        let hidden = self.layers(position, Batch::Tokens(ids)).await;
        let logits = self.head(&hidden);
        self.weights.check()?;
        Ok(logits)
    }

    async fn batch_hidden(&mut self, position: usize, ids: &[u32]) -> Result<Vec<f32>> {
        let start = Instant::now();
        let hidden = self.layers(position, Batch::Tokens(ids)).await;
        self.seconds_per_token = Some(start.elapsed().as_secs_f64() / ids.len() as f64);
        self.weights.check()?;
        Ok(self.normed(&hidden, Some(self.plan.output_norm)))
    }

    async fn decode_logits(&mut self, position: usize, id: u32) -> Result<Vec<f32>> {
        self.decode(position, id).await?;
        Ok(self.logits.clone())
    }

    async fn each_logits(&mut self, tokens: &[SequenceToken]) -> Result<Vec<f32>> {
        self.decode_each(tokens).await?;
        Ok(std::mem::take(&mut self.logits))
    }

    fn begin_answer(&mut self, start: &AnswerStart<'_>) {
        self.sampler = Sampler::new(start.plan, start.history.clone());
        self.answer = Answer { position: start.position, last: start.last, seconds_per_token: None };
    }

    fn is_idle(&self) -> bool {
        true
    }

    fn seconds_per_token(&self) -> Option<f64> {
        self.answer.seconds_per_token
    }

    async fn next_tokens(&mut self, _submit_more: bool) -> Result<Vec<u32>> {
        let start = Instant::now();
        self.decode(self.answer.position, self.answer.last).await?;
        let token = self.sampler.choose(&self.logits, None);
        let seconds_per_token = Some(start.elapsed().as_secs_f64());
        self.answer = Answer { position: self.answer.position + 1, last: token, seconds_per_token };
        Ok(vec![token])
    }

    fn max_choices(&self) -> usize {
        MAX_CHOICES.min(self.batch_len())
    }

    async fn choices(&mut self, ids: &[u32]) -> Result<Vec<u32>> {
        let logits = self.batch_logits(self.answer.position, ids).await?;
        let mut tokens = Vec::with_capacity(ids.len());
        for (index, row) in logits.chunks_exact(logits.len() / ids.len()).enumerate() {
            let token = self.sampler.choose(row, None);
            tokens.push(token);
            if ids.get(index + 1) != Some(&token) {
                break;
            }
        }
        Ok(tokens)
    }

    fn resume(&mut self, accepted: usize, last: u32, _seen: &[(u32, u32)]) {
        // No rejected samples to undo: `choices` stops at the first that differs from the draft.
        self.answer.position += accepted;
        self.answer.last = last;
    }

    async fn draft(&mut self, start: &DraftStart<'_>) -> Result<Vec<u32>> {
        let DraftStart { mut position, ids, step, seen, count } = *start;
        let Some((last, before)) = ids.split_last() else { return Ok(Vec::new()) };
        for batch in before.chunks(self.batch_len()) {
            self.layers(position, Batch::Tokens(batch)).await;
            position += batch.len();
        }
        self.sampler.go_to(step, seen);
        self.answer = Answer { position, last: *last, seconds_per_token: None };
        let mut tokens = Vec::with_capacity(count);
        for _ in 0..count {
            tokens.extend(self.next_tokens(true).await?);
        }
        Ok(tokens)
    }

    async fn begin_step(&mut self, position: usize) -> Result<()> {
        self.decode(position, self.answer.last).await
    }

    async fn step_logits(&mut self, row: usize) -> Result<Vec<f32>> {
        Ok(self.row(row).to_vec())
    }

    fn set_step_logits(&mut self, row: usize, logits: &[f32]) {
        let start = row * logits.len();
        self.logits[start..start + logits.len()].copy_from_slice(logits);
    }

    async fn choose(&mut self, allowed: Option<&[u32]>, wants_logits: bool) -> Result<Step> {
        let token = self.sampler.choose(&self.logits, allowed);
        self.answer.last = token;
        Ok(Step { token, logits: wants_logits.then(|| self.logits.clone()) })
    }

    fn join(&mut self, start: &AnswerStart<'_>) {
        self.seats[self.selected] = Some(Sampler::new(start.plan, start.history.clone()));
    }

    async fn begin_each(&mut self, tokens: &[SequenceToken]) -> Result<()> {
        self.decode_each(tokens).await
    }

    async fn choose_each(&mut self, choices: &[(usize, Choice<'_>)]) -> Result<Vec<Step>> {
        let vocab = self.config.vocab as usize;
        let seats = &mut self.seats;
        let rows = choices.iter().zip(self.logits.chunks_exact(vocab));
        let steps = rows.filter_map(|((sequence, choice), logits)| {
            let token = seats[*sequence].as_mut()?.choose(logits, choice.allowed);
            Some(Step { token, logits: choice.wants_logits.then(|| logits.to_vec()) })
        });
        Ok(steps.collect())
    }

    async fn prepare(&self) -> Result<()> {
        Ok(())
    }
}

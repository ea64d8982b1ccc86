//! The decode loop. On a GPU, sampling and feedback stay there: the host encodes several tokens ahead and learns
//! of them later, from read-backs that overlap with the next tokens' work.

use std::collections::VecDeque;

use web_time::Instant;

use super::gpu::{Gpu, Readback};
use super::gpu_model::GpuModel;
use super::guesses::{Guessed, Guesser};
use super::model::{Compute, Model};
use crate::error::Result;
use crate::kernels::sampling::RING_LEN;

/// Submissions in flight: one that the GPU works on and one that waits for it.
const DEPTH: usize = 2;
/// Most tokens in one submission.
const MAX_BATCH: usize = 16;
/// What a submission should take: long enough to hide the round trip, short enough to look smooth and to stop soon.
const BATCH_TARGET_SECONDS: f64 = 0.012;

/// Staging buffers for read-backs, reused across generations.
#[derive(Default)]
pub(super) struct StagingPool(Vec<wgpu::Buffer>);

impl StagingPool {
    fn take(&mut self, gpu: &Gpu) -> wgpu::Buffer {
        self.0.pop().unwrap_or_else(|| gpu.staging_buffer(MAX_BATCH as u64 * 4))
    }
}

/// Steps from this one on whose tokens lie beside each other in the ring.
pub(super) fn ring_room(step: usize) -> usize {
    RING_LEN as usize - step % RING_LEN as usize
}

impl GpuModel {
    /// Submits what was encoded of `count` steps, the first of them `step`, and starts to read back the tokens that they choose.
    pub(super) fn submit_steps(&mut self, mut encoder: wgpu::CommandEncoder, step: usize, count: usize) -> Readback {
        debug_assert!(count <= MAX_BATCH.min(ring_room(step)), "there are places for as many");
        let staging = self.staging.take(&self.gpu);
        let (ring_start, len_bytes) = ((step % RING_LEN as usize) as u64 * 4, count as u64 * 4);
        encoder.copy_buffer_to_buffer(&self.buffers.ring, ring_start, &staging, 0, len_bytes);
        let submission = self.gpu.queue().submit([encoder.finish()]);
        self.gpu.read(staging, len_bytes, submission)
    }

    /// The tokens that `count` steps chose.
    pub(super) async fn chosen(&mut self, readback: Readback, count: usize) -> Result<Vec<u32>> {
        let (mut tokens, staging) = readback.finish::<u32>(&self.gpu).await?;
        self.staging.0.push(staging);
        tokens.truncate(count);
        Ok(tokens)
    }
}

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
    ahead: Ahead,
    /// Absent if nothing is guessed.
    guesser: Option<Guesser>,
    /// Tokens that were chosen and not yet given.
    ready: VecDeque<u32>,
    /// The token given last: it is cached when the next is sampled.
    last: u32,
    given: usize,
    limit: usize,
    end: GenerationEnd,
}

impl<'m> Generation<'m> {
    /// `last` is the prompt's last token, `room` the positions left in the context, `first_step` the first step's number.
    pub(super) fn new(
        model: &'m mut Model,
        last: u32,
        max_tokens: usize,
        room: usize,
        first_step: usize,
        guesser: Option<Guesser>,
    ) -> Self {
        let limit = max_tokens.min(room);
        let ahead = Ahead::new(model.cached.len(), limit, first_step);
        let end = if room < max_tokens { GenerationEnd::ContextFull } else { GenerationEnd::MaxTokens };
        Self { model, ahead, guesser, ready: VecDeque::new(), last, given: 0, limit, end }
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
            let guess = self.guess();
            let tokens = if guess.is_empty() || !self.ahead.is_idle() {
                self.compute(guess.is_empty()).await?
            } else {
                self.verify(&guess).await?
            };
            if tokens.is_empty() {
                return Ok(None);
            }
            self.ready.extend(tokens);
        }
        let token = self.ready.pop_front();
        if let Some(token) = token {
            self.model.cached.push(self.last);
            self.last = token;
            self.given += 1;
        }
        Ok(token)
    }

    /// Which limit ends this generation.
    pub fn end(&self) -> GenerationEnd {
        self.end
    }

    /// How guesses went so far.
    pub fn guessed(&self) -> Guessed {
        self.guesser.as_ref().map(Guesser::guessed).unwrap_or_default()
    }

    /// What may come after the tokens that are known. One more is computed with them.
    fn guess(&self) -> Vec<u32> {
        // Whether a guess is worth its time is known only beside what a token takes.
        let Some(guesser) = self.guesser.as_ref().filter(|_| self.ahead.seconds_per_token.is_some()) else {
            return Vec::new();
        };
        let most = match &self.model.compute {
            Compute::Gpu(model) => model.most_choices(self.ahead.step()),
            Compute::Cpu(model) => model.most_choices(),
        };
        guesser.guess(most.min(self.limit - self.given) - 1).to_vec()
    }

    /// The next tokens, the usual way. Without `goes_on`, only those that the GPU has begun.
    async fn compute(&mut self, goes_on: bool) -> Result<Vec<u32>> {
        let tokens = match &mut self.model.compute {
            Compute::Gpu(model) => self.ahead.next(model, goes_on).await?,
            Compute::Cpu(model) => {
                let start = Instant::now();
                model.decode(self.model.cached.len(), self.last).await?;
                let token = model.choose(None);
                self.ahead.seconds_per_token = Some(start.elapsed().as_secs_f64());
                self.ahead.submitted += 1;
                vec![token]
            }
        };
        if let Some(guesser) = &mut self.guesser {
            guesser.extend(&tokens);
        }
        Ok(tokens)
    }

    /// The tokens of a guess that are right, and one more. Nothing may be in flight.
    async fn verify(&mut self, guess: &[u32]) -> Result<Vec<u32>> {
        let start = Instant::now();
        let (position, step) = (self.ahead.position(), self.ahead.step());
        let fed = [&[self.last], guess].concat();
        let mut chosen = match &mut self.model.compute {
            Compute::Gpu(model) => model.choices(position, step, &fed).await?,
            Compute::Cpu(model) => model.choices(position, &fed).await?,
        };
        let accepted = guess.iter().zip(&chosen).take_while(|(guessed, chosen)| guessed == chosen).count();
        let vain = chosen.split_off(accepted + 1);
        self.ahead.skip(chosen.len());
        let Some(guesser) = &mut self.guesser else { return Ok(chosen) };
        guesser.extend(&chosen);
        if let Compute::Gpu(model) = &self.model.compute {
            let seen = vain.iter().map(|id| (*id, guesser.seen(*id)));
            model.go_on(self.ahead.position(), self.ahead.step(), guesser.last(), seen);
        }
        let one_by_one = self.ahead.seconds_per_token.unwrap_or_default() * chosen.len() as f64;
        let was_worth_it = start.elapsed().as_secs_f64() < one_by_one;
        guesser.verified(accepted, guess.len() - accepted, was_worth_it);
        Ok(chosen)
    }
}

/// Tokens that the GPU was given ahead of what the host knows.
struct Ahead {
    in_flight: VecDeque<(Readback, usize)>,
    /// Position of the first token that is fed.
    start: usize,
    submitted: usize,
    limit: usize,
    /// The first step's number, which says where in the ring its token is written.
    first_step: usize,
    seconds_per_token: Option<f64>,
    last_arrival: Option<Instant>,
}

impl Ahead {
    fn new(start: usize, limit: usize, first_step: usize) -> Self {
        Self {
            in_flight: VecDeque::new(),
            start,
            submitted: 0,
            limit,
            first_step,
            seconds_per_token: None,
            last_arrival: None,
        }
    }

    fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Position of the next token that is fed.
    fn position(&self) -> usize {
        self.start + self.submitted
    }

    /// The next step's number.
    fn step(&self) -> usize {
        self.first_step + self.submitted
    }

    /// Leaves out tokens that came another way.
    fn skip(&mut self, count: usize) {
        self.submitted += count;
        // The time until the next arrival is not only that of its tokens.
        self.last_arrival = None;
    }

    /// The tokens that arrive next, after others were begun if it `goes_on`.
    async fn next(&mut self, model: &mut GpuModel, goes_on: bool) -> Result<Vec<u32>> {
        while goes_on && self.in_flight.len() < DEPTH && self.submitted < self.limit {
            self.submit(model)?;
        }
        // The limit is not reached, nothing is ready: so something is in flight.
        let Some((readback, count)) = self.in_flight.pop_front() else { return Ok(Vec::new()) };
        let tokens = model.chosen(readback, count).await?;
        self.note_arrival(count);
        Ok(tokens)
    }

    /// Encodes a batch of tokens, one compute pass each, and starts its read-back.
    fn submit(&mut self, model: &mut GpuModel) -> Result<()> {
        let in_flight = self.in_flight.back().map_or(0, |(_, count)| *count);
        let count =
            batch_len(self.seconds_per_token, in_flight).min(self.limit - self.submitted).min(ring_room(self.step()));
        let mut encoder = model.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for i in 0..count {
            let program = model.decode_program(self.position() + i)?;
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            program.iter().chain(&model.sampler).for_each(|dispatch| dispatch.encode(&mut pass, 1));
        }
        self.in_flight.push_back((model.submit_steps(encoder, self.step(), count), count));
        self.submitted += count;
        Ok(())
    }

    /// Learns the GPU's pace from the time between two arrivals.
    fn note_arrival(&mut self, count: usize) {
        let now = Instant::now();
        if let Some(earlier) = self.last_arrival.replace(now) {
            self.seconds_per_token = Some((now - earlier).as_secs_f64().max(1e-6) / count as f64);
        }
    }
}

/// Tokens of a submission after one of `in_flight`: at most twice as many, for the GPU would be done with those long before more are encoded.
fn batch_len(seconds_per_token: Option<f64>, in_flight: usize) -> usize {
    match seconds_per_token {
        None => 1,
        Some(seconds) => ((BATCH_TARGET_SECONDS / seconds) as usize).min(2 * in_flight).clamp(1, MAX_BATCH),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submissions_grow_until_they_take_as_long_as_they_should() {
        let lens = |seconds: f64| {
            let next = move |len: &usize| Some(batch_len(Some(seconds), *len));
            std::iter::successors(Some(batch_len(None, 0)), next).take(6).collect::<Vec<_>>()
        };
        assert_eq!(lens(0.001), [1, 2, 4, 8, 12, 12]);
        assert_eq!(lens(0.000_1), [1, 2, 4, 8, 16, 16]);
        assert_eq!(lens(0.1), [1; 6]);
        // After what was verified at once nothing is in flight.
        assert_eq!(batch_len(Some(0.001), 0), 1);
    }
}

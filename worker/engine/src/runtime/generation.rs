//! The decode loop. On a GPU, sampling and feedback stay there: the host encodes several tokens ahead and learns
//! of them later, from read-backs that overlap with the next tokens' work.

use std::collections::VecDeque;

use web_time::Instant;

use super::gpu::{Gpu, Readback};
use super::gpu_model::GpuModel;
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
    /// The token given last: it is cached when the next is sampled.
    last: u32,
    given: usize,
    limit: usize,
    end: GenerationEnd,
}

impl<'m> Generation<'m> {
    /// `last` is the prompt's last token, `room` the positions left in the context, `first_step` the first step's number.
    pub(super) fn new(model: &'m mut Model, last: u32, max_tokens: usize, room: usize, first_step: usize) -> Self {
        let limit = max_tokens.min(room);
        let ahead = Ahead::new(model.cached.len(), limit, first_step);
        let end = if room < max_tokens { GenerationEnd::ContextFull } else { GenerationEnd::MaxTokens };
        Self { model, ahead, last, given: 0, limit, end }
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
        let position = self.model.cached.len();
        let token = match &mut self.model.compute {
            Compute::Gpu(model) => self.ahead.next(model).await?,
            Compute::Cpu(model) => {
                model.decode(position, self.last).await?;
                Some(model.choose(None))
            }
        };
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
}

/// Tokens that the GPU was given ahead of what the host knows.
struct Ahead {
    in_flight: VecDeque<(Readback, usize)>,
    /// Tokens that were read back and not yet given.
    ready: VecDeque<u32>,
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
            ready: VecDeque::new(),
            start,
            submitted: 0,
            limit,
            first_step,
            seconds_per_token: None,
            last_arrival: None,
        }
    }

    async fn next(&mut self, model: &mut GpuModel) -> Result<Option<u32>> {
        while self.ready.is_empty() {
            while self.in_flight.len() < DEPTH && self.submitted < self.limit {
                self.submit(model);
            }
            // The limit is not reached, nothing is ready: so something is in flight.
            let Some((readback, count)) = self.in_flight.pop_front() else { return Ok(None) };
            let (tokens, staging) = readback.finish::<u32>(&model.gpu).await?;
            model.staging.0.push(staging);
            self.note_arrival(count);
            self.ready.extend(&tokens[..count]);
        }
        Ok(self.ready.pop_front())
    }

    /// Encodes a batch of tokens, one compute pass each, and starts its read-back.
    fn submit(&mut self, model: &mut GpuModel) {
        let ring_start = (self.first_step + self.submitted) % RING_LEN as usize;
        let count = self.batch_len().min(self.limit - self.submitted).min(RING_LEN as usize - ring_start);
        let staging = model.staging.take(&model.gpu);
        let mut encoder = model.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for i in 0..count {
            let program = model.decode_program(self.start + self.submitted + i);
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            program.iter().chain(&model.sampler).for_each(|dispatch| dispatch.encode(&mut pass, 1));
        }
        let len_bytes = count as u64 * 4;
        encoder.copy_buffer_to_buffer(&model.buffers.ring, ring_start as u64 * 4, &staging, 0, len_bytes);
        let submission = model.gpu.queue().submit([encoder.finish()]);
        self.in_flight.push_back((model.gpu.read(staging, len_bytes, submission), count));
        self.submitted += count;
    }

    fn batch_len(&self) -> usize {
        match self.seconds_per_token {
            None => 1,
            Some(seconds) => ((BATCH_TARGET_SECONDS / seconds) as usize).clamp(1, MAX_BATCH),
        }
    }

    /// Learns the GPU's pace from the time between two arrivals.
    fn note_arrival(&mut self, count: usize) {
        let now = Instant::now();
        if let Some(earlier) = self.last_arrival.replace(now) {
            self.seconds_per_token = Some((now - earlier).as_secs_f64().max(1e-6) / count as f64);
        }
    }
}

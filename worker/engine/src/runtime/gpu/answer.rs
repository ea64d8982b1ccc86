//! The answer in progress: which of its tokens are submitted, and which are in flight.

use std::collections::VecDeque;

use web_time::Instant;

use crate::kernels::sampling::RING_LEN;
use crate::runtime::device::{Gpu, Readback};

/// Maximum number of tokens per submission.
pub(super) const MAX_BATCH: usize = 16;

/// Reusable staging buffers for read-backs.
#[derive(Default)]
pub(super) struct StagingPool(Vec<wgpu::Buffer>);

impl StagingPool {
    pub(super) fn take(&mut self, gpu: &Gpu) -> wgpu::Buffer {
        self.0.pop().unwrap_or_else(|| gpu.staging_buffer(MAX_BATCH as u64 * 4))
    }

    /// Keeps a buffer that has been read.
    pub(super) fn give_back(&mut self, staging: wgpu::Buffer) {
        self.0.push(staging);
    }
}

/// Number of steps, starting with this one, whose tokens are contiguous in the ring buffer.
pub(super) fn ring_room(step: usize) -> usize {
    RING_LEN as usize - step % RING_LEN as usize
}

/// State of an answer: which tokens are submitted, and which are in flight.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) in_flight: VecDeque<(Readback, usize)>,
    /// Position of the first token to feed.
    start: usize,
    pub(super) submitted: usize,
    pub(super) limit: usize,
    /// Number of the first step; it determines where in the ring buffer its token is written.
    first_step: usize,
    pub(super) seconds_per_token: Option<f64>,
    last_arrival: Option<Instant>,
    pub(super) staging: StagingPool,
}

impl Answer {
    /// Starts another answer.
    pub(super) fn begin(&mut self, start: usize, limit: usize, first_step: usize) {
        let staging = std::mem::take(&mut self.staging);
        *self = Self { start, limit, first_step, staging, ..Self::default() };
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Position of the next token to feed.
    pub(super) fn position(&self) -> usize {
        self.start + self.submitted
    }

    /// Number of the next step.
    pub(super) fn step(&self) -> usize {
        self.first_step + self.submitted
    }

    /// Skips tokens that were computed another way.
    pub(super) fn skip(&mut self, count: usize) {
        self.submitted += count;
        // The time until the next arrival would include other work.
        self.last_arrival = None;
    }

    /// Maximum number of steps whose tokens can be read back at once.
    pub(super) fn max_steps(&self) -> usize {
        MAX_BATCH.min(ring_room(self.step()))
    }

    /// Measures the time per token between two arrivals.
    pub(super) fn note_arrival(&mut self, count: usize) {
        let now = Instant::now();
        if let Some(earlier) = self.last_arrival.replace(now) {
            self.seconds_per_token = Some((now - earlier).as_secs_f64().max(1e-6) / count as f64);
        }
    }
}

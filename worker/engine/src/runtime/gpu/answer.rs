//! An answer under way on the GPU: the host encodes several tokens ahead and learns of them later, from read-backs that overlap with
//! the next tokens' work.

use std::collections::VecDeque;

use web_time::Instant;

use super::decoder::GpuDecoder;
use crate::error::Result;
use crate::kernels::sampling::RING_LEN;
use crate::runtime::device::{Gpu, Readback};

/// Submissions in flight: one that the GPU works on and one that waits for it.
const DEPTH: usize = 2;
/// Most tokens in one submission.
const MAX_BATCH: usize = 16;
/// What a submission should take: long enough to hide the round trip, short enough to look smooth and to stop soon.
const BATCH_TARGET_SECONDS: f64 = 0.012;

/// Staging buffers for read-backs, reused.
#[derive(Default)]
struct StagingPool(Vec<wgpu::Buffer>);

impl StagingPool {
    fn take(&mut self, gpu: &Gpu) -> wgpu::Buffer {
        self.0.pop().unwrap_or_else(|| gpu.staging_buffer(MAX_BATCH as u64 * 4))
    }
}

/// Steps from this one on whose tokens lie beside each other in the ring.
fn ring_room(step: usize) -> usize {
    RING_LEN as usize - step % RING_LEN as usize
}

/// Tokens that the GPU was given ahead of what the host knows.
#[derive(Default)]
pub(super) struct Answer {
    in_flight: VecDeque<(Readback, usize)>,
    /// Position of the first token that is fed.
    start: usize,
    submitted: usize,
    limit: usize,
    /// The first step's number, which says where in the ring its token is written.
    first_step: usize,
    pub(super) seconds_per_token: Option<f64>,
    last_arrival: Option<Instant>,
    staging: StagingPool,
}

impl Answer {
    /// Begins another one.
    pub(super) fn begin(&mut self, start: usize, limit: usize, first_step: usize) {
        let staging = std::mem::take(&mut self.staging);
        *self = Self { start, limit, first_step, staging, ..Self::default() };
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Position of the next token that is fed.
    pub(super) fn position(&self) -> usize {
        self.start + self.submitted
    }

    /// The next step's number.
    pub(super) fn step(&self) -> usize {
        self.first_step + self.submitted
    }

    /// Leaves out tokens that came another way.
    pub(super) fn skip(&mut self, count: usize) {
        self.submitted += count;
        // The time until the next arrival is not only that of its tokens.
        self.last_arrival = None;
    }

    /// Most tokens whose choices are read back at once.
    pub(super) fn max_steps(&self) -> usize {
        MAX_BATCH.min(ring_room(self.step()))
    }

    /// Learns the GPU's pace from the time between two arrivals.
    fn note_arrival(&mut self, count: usize) {
        let now = Instant::now();
        if let Some(earlier) = self.last_arrival.replace(now) {
            self.seconds_per_token = Some((now - earlier).as_secs_f64().max(1e-6) / count as f64);
        }
    }
}

impl GpuDecoder {
    /// The tokens of the answer that arrive next, after others were begun if it `goes_on`.
    pub(super) async fn next_arrivals(&mut self, goes_on: bool) -> Result<Vec<u32>> {
        while goes_on && self.answer.in_flight.len() < DEPTH && self.answer.submitted < self.answer.limit {
            self.submit_ahead()?;
        }
        // The limit is not reached, nothing is ready: so something is in flight.
        let Some((readback, count)) = self.answer.in_flight.pop_front() else { return Ok(Vec::new()) };
        let tokens = self.chosen(readback, count).await?;
        self.answer.note_arrival(count);
        Ok(tokens)
    }

    /// Encodes a batch of tokens, one compute pass each, and starts its read-back.
    fn submit_ahead(&mut self) -> Result<()> {
        let answer = &self.answer;
        let in_flight = answer.in_flight.back().map_or(0, |(_, count)| *count);
        let count = batch_len(answer.seconds_per_token, in_flight)
            .min(answer.limit - answer.submitted)
            .min(ring_room(answer.step()));
        let (position, step) = (answer.position(), answer.step());
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for i in 0..count {
            let program = self.decode_program(position + i)?;
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            program.iter().chain(&self.sampler).for_each(|dispatch| dispatch.encode(&mut pass, 1));
        }
        let readback = self.submit_steps(encoder, step, count);
        self.answer.in_flight.push_back((readback, count));
        self.answer.submitted += count;
        self.state_len = position + count;
        Ok(())
    }

    /// Submits what was encoded of `count` steps, the first of them `step`, and starts to read back the tokens that they choose.
    pub(super) fn submit_steps(&mut self, mut encoder: wgpu::CommandEncoder, step: usize, count: usize) -> Readback {
        debug_assert!(count <= MAX_BATCH.min(ring_room(step)), "there are places for as many");
        let staging = self.answer.staging.take(&self.gpu);
        let (ring_start, len_bytes) = ((step % RING_LEN as usize) as u64 * 4, count as u64 * 4);
        encoder.copy_buffer_to_buffer(&self.buffers.ring, ring_start, &staging, 0, len_bytes);
        let submission = self.gpu.queue().submit([encoder.finish()]);
        self.gpu.read(staging, len_bytes, submission)
    }

    /// The tokens that `count` steps chose.
    pub(super) async fn chosen(&mut self, readback: Readback, count: usize) -> Result<Vec<u32>> {
        let (mut tokens, staging) = readback.finish::<u32>(&self.gpu).await?;
        self.answer.staging.0.push(staging);
        tokens.truncate(count);
        Ok(tokens)
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
        // After tokens that were verified at once nothing is in flight.
        assert_eq!(batch_len(Some(0.001), 0), 1);
    }
}

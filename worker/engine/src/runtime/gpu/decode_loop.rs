//! The decode loop on the GPU. The host encodes several tokens ahead and receives their IDs later, from read-backs that
//! overlap with the computation of further tokens.

use super::answer::{MAX_BATCH, ring_room};
use super::decoder::GpuDecoder;
use crate::error::Result;
use crate::kernels::sampling::RING_LEN;
use crate::runtime::backend::{Batch, DraftStart};
use crate::runtime::device::Readback;

/// Submissions in flight: one that the GPU is executing and one that is queued.
const DEPTH: usize = 2;
/// Target duration of a submission: long enough to hide the round trip, short enough for smooth output and quick stops.
const BATCH_TARGET_SECONDS: f64 = 0.012;

impl GpuDecoder {
    /// Submits further work if `submit_more`, and returns the tokens that arrive next.
    pub(super) async fn next_arrivals(&mut self, submit_more: bool) -> Result<Vec<u32>> {
        while submit_more && self.answer.in_flight.len() < DEPTH && self.answer.submitted < self.answer.limit {
            self.submit_ahead()?;
        }
        // Nothing in flight means that the limit is reached, or that the answer does not go on.
        let Some((readback, count)) = self.answer.in_flight.pop_front() else { return Ok(Vec::new()) };
        let tokens = self.chosen(readback, count).await?;
        self.answer.note_arrival(count);
        Ok(tokens)
    }

    /// Encodes a batch of tokens, one compute pass each, and starts their read-back.
    fn submit_ahead(&mut self) -> Result<()> {
        let answer = &self.answer;
        let in_flight = answer.in_flight.back().map_or(0, |(_, count)| *count);
        let count = batch_len(answer.seconds_per_token, in_flight)
            .min(answer.limit - answer.submitted)
            .min(ring_room(answer.step()));
        let (position, step) = (answer.position(), answer.step());
        let encoder = self.encode_steps(position, count)?;
        let readback = self.submit_steps(encoder, step, count);
        self.answer.in_flight.push_back((readback, count));
        self.answer.submitted += count;
        self.advance(position, position + count);
        Ok(())
    }

    /// Encodes `count` steps, of which the first feeds the token at `position`: one compute pass each.
    fn encode_steps(&self, position: usize, count: usize) -> Result<wgpu::CommandEncoder> {
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for i in 0..count {
            let program = self.decode_program(position + i)?;
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            program.iter().chain(&self.sampler).for_each(|dispatch| dispatch.encode(&mut pass, 1));
        }
        Ok(encoder)
    }

    /// Drafts tokens, see [`Decoder::draft`](crate::runtime::backend::Decoder::draft). The host waits only once.
    pub(super) async fn draft_tokens(&mut self, start: &DraftStart<'_>) -> Result<Vec<u32>> {
        let DraftStart { mut position, ids, step, seen, count } = *start;
        let Some((last, before)) = ids.split_last() else { return Ok(Vec::new()) };
        for batch in before.chunks(self.max_batch as usize) {
            position += self.submit_batch(position, Batch::Tokens(batch), false)?;
        }
        for (id, seen) in seen {
            self.buffers.sampler.set_seen(&self.gpu, *id, *seen);
        }
        self.feed(position, step, *last);
        let count = count.min(MAX_BATCH).min(ring_room(step));
        let encoder = self.encode_steps(position, count)?;
        let readback = self.submit_steps(encoder, step, count);
        self.advance(position, position + count);
        self.chosen(readback, count).await
    }

    /// Submits `count` encoded steps, beginning with `step`, and starts to read back the tokens they sample.
    pub(super) fn submit_steps(&mut self, mut encoder: wgpu::CommandEncoder, step: usize, count: usize) -> Readback {
        debug_assert!(count <= MAX_BATCH.min(ring_room(step)), "there is room in the ring and the staging buffer");
        let staging = self.answer.staging.take(&self.gpu);
        let (ring_start, len_bytes) = ((step % RING_LEN as usize) as u64 * 4, count as u64 * 4);
        encoder.copy_buffer_to_buffer(&self.buffers.sampler.ring, ring_start, &staging, 0, len_bytes);
        let submission = self.gpu.queue().submit([encoder.finish()]);
        self.gpu.read(staging, len_bytes, submission)
    }

    /// The tokens that `count` steps sampled.
    pub(super) async fn chosen(&mut self, readback: Readback, count: usize) -> Result<Vec<u32>> {
        let (mut tokens, staging) = readback.finish::<u32>(&self.gpu).await?;
        self.answer.staging.give_back(staging);
        tokens.truncate(count);
        Ok(tokens)
    }
}

/// Number of tokens in the submission after one of `in_flight` tokens: at most twice as many, or the GPU would run out
/// of work while the host encodes.
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
    fn submissions_grow_to_their_target_duration() {
        let lens = |seconds: f64| {
            let next = move |len: &usize| Some(batch_len(Some(seconds), *len));
            std::iter::successors(Some(batch_len(None, 0)), next).take(6).collect::<Vec<_>>()
        };
        assert_eq!(lens(0.001), [1, 2, 4, 8, 12, 12]);
        assert_eq!(lens(0.000_1), [1, 2, 4, 8, 16, 16]);
        assert_eq!(lens(0.1), [1; 6]);
        // Nothing is in flight after the verification of a draft.
        assert_eq!(batch_len(Some(0.001), 0), 1);
    }
}

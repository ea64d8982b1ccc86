//! Answers of several sequences, a token of each at once: the layers read the weights once, and each answer has a sampler
//! of its own, so that logits stay on the GPU.

use super::decoder::GpuDecoder;
use super::seat::Seat;
use crate::error::Result;
use crate::runtime::backend::{AnswerStart, Choice, SequenceToken, Step};

impl GpuDecoder {
    /// Starts an answer of the selected sequence that is computed together with others.
    pub(super) fn take_seat(&mut self, start: &AnswerStart<'_>) {
        let Self { gpu, vocab, buffers, seats, selected, .. } = self;
        let seat = seats[*selected].get_or_insert_with(|| Seat::new(gpu, *vocab, &buffers.logits));
        seat.begin(gpu, start);
    }

    /// Submits layers and head for a token of each of several sequences.
    pub(super) fn submit_each(&mut self, tokens: &[SequenceToken]) -> Result<()> {
        debug_assert!(tokens.len() <= self.logit_rows(), "the buffers have room for them");
        let program = self.each_program(tokens.len())?;
        self.feed_each(tokens);
        self.submit(|pass| program.iter().for_each(|dispatch| dispatch.encode(pass, tokens.len() as u32)));
        for token in tokens {
            self.reaches[token.sequence].advance(token.position, token.position + 1);
        }
        Ok(())
    }

    /// Samples a token from each row of the logits, for the sequence of that row.
    pub(super) async fn sample_each(&mut self, choices: &[(usize, Choice<'_>)]) -> Result<Vec<Step>> {
        let Self { gpu, vocab, buffers, seats, .. } = self;
        for (row, (sequence, choice)) in choices.iter().enumerate() {
            if let Some(seat) = &mut seats[*sequence] {
                seat.prepare(gpu, row, choice.allowed);
            }
        }
        let taken: Vec<&Seat> = choices.iter().filter_map(|(sequence, _)| seats[*sequence].as_ref()).collect();
        debug_assert_eq!(taken.len(), choices.len(), "each of them has started an answer");
        let row_bytes = u64::from(*vocab) * 4;
        let wanted: Vec<usize> = (0..choices.len()).filter(|row| choices[*row].1.wants_logits).collect();
        let ids_at = wanted.len() as u64 * row_bytes;
        let len_bytes = ids_at + taken.len() as u64 * 4;
        let staging = gpu.staging_buffer(len_bytes);
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for (index, row) in wanted.iter().enumerate() {
            // Before the samplers modify them in place.
            let (from, to) = (*row as u64 * row_bytes, index as u64 * row_bytes);
            encoder.copy_buffer_to_buffer(&buffers.logits, from, &staging, to, row_bytes);
        }
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            // The second halves depend on nothing that another one writes, so they run at the same time.
            for half in 0..2 {
                for seat in &taken {
                    seat.dispatches[half].encode(&mut pass, 1);
                }
            }
        }
        for (index, seat) in taken.iter().enumerate() {
            encoder.copy_buffer_to_buffer(&seat.buffers.next_id, 0, &staging, ids_at + index as u64 * 4, 4);
        }
        let submission = gpu.queue().submit([encoder.finish()]);
        let (words, _) = gpu.read(staging, len_bytes, submission).finish::<u32>(gpu).await?;
        let (logits, tokens) = words.split_at(wanted.len() * *vocab as usize);
        let mut rows = logits.chunks_exact(*vocab as usize);
        let steps = tokens.iter().zip(choices).map(|(token, (_, choice))| {
            let row = choice.wants_logits.then(|| rows.next()).flatten();
            let logits = row.map(|row| row.iter().copied().map(f32::from_bits).collect());
            Step { token: *token, logits }
        });
        Ok(steps.collect())
    }
}

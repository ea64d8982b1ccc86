//! The GPU implementation of [`Decoder`].

use async_trait::async_trait;
use web_time::Instant;

use super::decoder::GpuDecoder;
use super::{autotune, profile, self_test};
use crate::error::Result;
use crate::models::Position;
use crate::runtime::backend::{AnswerStart, Batch, Choice, Decoder, DraftStart, Profiled, SequenceToken, Step};
use crate::runtime::measuring::{Change, Profile};

/// Target duration of a prompt batch in seconds: short enough for quick stops.
const BATCH_SECONDS: f64 = 0.4;
/// Number of tokens in a batch that is fast enough on every adapter.
const MIN_BATCH: u32 = 64;
/// The first batch, before anything was measured, has 1/`FIRST_SHARE` of the largest, but at least `FIRST_BATCH`
/// tokens.
const FIRST_SHARE: u32 = 4;
const FIRST_BATCH: u32 = 256;

#[async_trait(?Send)]
impl Decoder for GpuDecoder {
    fn batch_len(&self) -> usize {
        let most = self.max_batch.min(self.gpu.tuning().prefill_batch);
        let first = (most / FIRST_SHARE).max(FIRST_BATCH);
        let fitting = self.seconds_per_token.map_or(first, |seconds| (BATCH_SECONDS / seconds) as u32);
        // A multiple of the tile size.
        (fitting / MIN_BATCH * MIN_BATCH).clamp(MIN_BATCH.min(most), most) as usize
    }

    fn max_logit_rows(&self) -> usize {
        self.logit_rows()
    }

    fn max_batch_len(&self) -> usize {
        self.max_batch as usize
    }

    fn set_positions(&mut self, positions: &[Position], next: u32) {
        self.write_angles(positions, next);
    }

    async fn run_batch(&mut self, position: usize, batch: Batch<'_>) -> Result<()> {
        let start = Instant::now();
        let len = self.submit_batch(position, batch, false)?;
        // Makes progress reports accurate and lets stops take effect.
        self.wait().await?;
        // Short batches are dominated by latency and say nothing about throughput.
        if len >= MIN_BATCH as usize {
            self.seconds_per_token = Some(start.elapsed().as_secs_f64() / len as f64);
        }
        Ok(())
    }

    async fn batch_logits(&mut self, position: usize, ids: &[u32]) -> Result<Vec<f32>> {
        self.submit_batch(position, Batch::Tokens(ids), true)?;
        self.gpu.read_buffer(&self.buffers.logits, ids.len() as u64 * u64::from(self.vocab) * 4).await
    }

    async fn batch_hidden(&mut self, position: usize, ids: &[u32]) -> Result<Vec<f32>> {
        self.submit_batch(position, Batch::Tokens(ids), false)?;
        let norm = self.output_norm_program()?;
        self.submit(|pass| norm.iter().for_each(|dispatch| dispatch.encode(pass, ids.len() as u32)));
        let len_bytes = ids.len() as u64 * u64::from(self.config.embedding_len) * 4;
        self.gpu.read_buffer(&self.buffers.hidden, len_bytes).await
    }

    async fn decode_logits(&mut self, position: usize, id: u32) -> Result<Vec<f32>> {
        self.feed(position, 0, id);
        self.submit_decode(position)?;
        self.read_logits(0).await
    }

    async fn each_logits(&mut self, tokens: &[SequenceToken]) -> Result<Vec<f32>> {
        self.submit_each(tokens)?;
        self.gpu.read_buffer(&self.buffers.logits, tokens.len() as u64 * u64::from(self.vocab) * 4).await
    }

    fn begin_answer(&mut self, start: &AnswerStart<'_>) {
        let AnswerStart { position, last, limit, plan, ref history } = *start;
        self.buffers.sampler.begin(&self.gpu, plan, history);
        // A resumed answer continues its sequence of random draws.
        self.feed(position, plan.generated, last);
        self.answer.begin(position, limit, plan.generated);
    }

    fn is_idle(&self) -> bool {
        self.answer.is_idle()
    }

    fn seconds_per_token(&self) -> Option<f64> {
        self.answer.seconds_per_token
    }

    async fn next_tokens(&mut self, submit_more: bool) -> Result<Vec<u32>> {
        self.next_arrivals(submit_more).await
    }

    fn max_choices(&self) -> usize {
        self.max_verified().min(self.answer.max_steps())
    }

    async fn choices(&mut self, ids: &[u32]) -> Result<Vec<u32>> {
        debug_assert!(ids.len() <= self.max_choices(), "the buffers have room for them");
        let (position, step) = (self.answer.position(), self.answer.step());
        let layers = self.verification_program(ids.len())?;
        self.feed_batch(position, step, ids);
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            for dispatch in layers {
                dispatch.encode(&mut pass, ids.len() as u32);
            }
            for _ in ids {
                self.sampler.iter().for_each(|dispatch| dispatch.encode(&mut pass, 1));
            }
        }
        self.advance(position, position + ids.len());
        let readback = self.submit_steps(encoder, step, ids.len());
        self.chosen(readback, ids.len()).await
    }

    fn resume(&mut self, accepted: usize, last: u32, seen: &[(u32, u32)]) {
        self.answer.skip(accepted);
        for (id, seen) in seen {
            self.buffers.sampler.set_seen(&self.gpu, *id, *seen);
        }
        self.feed(self.answer.position(), self.answer.step(), last);
    }

    async fn draft(&mut self, start: &DraftStart<'_>) -> Result<Vec<u32>> {
        self.draft_tokens(start).await
    }

    async fn begin_step(&mut self, position: usize) -> Result<()> {
        self.submit_decode(position)
    }

    async fn step_logits(&mut self, row: usize) -> Result<Vec<f32>> {
        self.read_logits(row).await
    }

    fn set_step_logits(&mut self, row: usize, logits: &[f32]) {
        debug_assert_eq!(logits.len(), self.vocab as usize);
        let at = row * size_of_val(logits);
        self.gpu.queue().write_buffer(&self.buffers.logits, at as u64, bytemuck::cast_slice(logits));
    }

    async fn choose(&mut self, allowed: Option<&[u32]>, wants_logits: bool) -> Result<Step> {
        self.buffers.sampler.restrict(&self.gpu, allowed);
        let logits_bytes = if wants_logits { u64::from(self.vocab) * 4 } else { 0 };
        let staging = self.gpu.staging_buffer(logits_bytes + 4);
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        if wants_logits {
            // Before the sampler modifies them in place.
            encoder.copy_buffer_to_buffer(&self.buffers.logits, 0, &staging, 0, logits_bytes);
        }
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            self.sampler.iter().for_each(|dispatch| dispatch.encode(&mut pass, 1));
        }
        encoder.copy_buffer_to_buffer(&self.buffers.sampler.next_id, 0, &staging, logits_bytes, 4);
        let submission = self.gpu.queue().submit([encoder.finish()]);
        let (words, _) = self.gpu.read(staging, logits_bytes + 4, submission).finish::<u32>(&self.gpu).await?;
        let Some((token, logits)) = words.split_last() else { unreachable!("the token was requested") };
        let logits = wants_logits.then(|| logits.iter().copied().map(f32::from_bits).collect());
        Ok(Step { token: *token, logits })
    }

    fn join(&mut self, start: &AnswerStart<'_>) {
        self.take_seat(start);
    }

    async fn begin_each(&mut self, tokens: &[SequenceToken]) -> Result<()> {
        self.submit_each(tokens)
    }

    async fn choose_each(&mut self, choices: &[(usize, Choice<'_>)]) -> Result<Vec<Step>> {
        self.sample_each(choices).await
    }

    async fn prepare(&self) -> Result<()> {
        self.embed_program()?;
        self.prefill_program(false)?;
        self.decode_program(0)?;
        self.gpu.compile().await;
        self.gpu.check()
    }

    fn dispatches_per_token(&self) -> Result<usize> {
        Ok(self.decode_program(0)?.len() + self.sampler.len())
    }

    async fn autotune(&mut self, context: usize, is_wanted: &dyn Fn() -> bool) -> Result<Option<Vec<Change>>> {
        autotune::run(self, context, is_wanted).await
    }

    fn apply(&mut self, changes: &[Change]) {
        self.lay_out(&changes.iter().fold(self.gpu.tuning(), |tuning, change| tuning.with(*change)));
    }

    fn make_plain(&mut self) {
        self.lay_out(&self.gpu.tuning().plain());
    }

    fn kernels_id(&self) -> Result<u64> {
        Ok(self_test::kernels_id(self.first_dispatches()?.chain(&self.sampler)))
    }

    async fn wrong_kernels(&self) -> Result<Vec<String>> {
        self_test::wrong_in_decoder(self).await
    }

    async fn profile(&self, what: Profiled, position: usize, runs: usize) -> Result<Profile> {
        profile::run(self, what, position, runs).await
    }
}

//! A decoder on the GPU.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use web_time::Instant;

use super::answer::Answer;
use super::buffers::{Buffers, SAMPLING_SWITCHES, State, prefill_batch};
use super::forward::{ForwardBuilder, Layout};
use super::memory::Copies;
use super::programs::Programs;
use super::weights::Weights;
use super::{autotune, profile, self_test};
use crate::error::Result;
use crate::models::{ModelConfig, ModelPlan};
use crate::runtime::backend::{AnswerStart, Decoder, Profiled, Step};
use crate::runtime::device::{Dispatch, Gpu};
use crate::runtime::measuring::{Change, Profile};

/// A decoder's dispatches and buffers.
pub(in crate::runtime) struct GpuDecoder {
    pub(super) gpu: Gpu,
    pub(super) vocab: u32,
    pub(super) buffers: Buffers,
    pub(super) config: ModelConfig,
    pub(super) plan: ModelPlan,
    /// Kept also because the dispatches' bind groups need its buffers alive in the browser.
    pub(super) weights: Arc<Weights>,
    pub(super) programs: Programs,
    pub(super) sampler: [Dispatch; 2],
    /// The answer under way.
    pub(super) answer: Answer,
    /// Copies of what sequences left behind.
    pub(super) copies: Copies,
    /// Tokens that the state of recurrent layers has seen.
    pub(super) state_len: usize,
    /// Most tokens of a batch.
    pub(super) max_batch: u32,
    /// Time of a prompt's token in the batch before.
    seconds_per_token: Option<f64>,
}

/// Seconds that a batch of a prompt should take: few enough that a stop takes effect soon.
const BATCH_SECONDS: f64 = 0.4;
/// Tokens of a batch that no adapter takes too long for.
const MIN_BATCH: u32 = 64;
/// The share of the largest batch that the first has at most, of which nothing is known yet, and its tokens at least.
const FIRST_SHARE: u32 = 4;
const FIRST_BATCH: u32 = 256;

impl GpuDecoder {
    /// Allocates for `context` positions.
    pub(in crate::runtime) fn new(
        gpu: &Gpu,
        (config, plan): (&ModelConfig, &ModelPlan),
        context: u32,
        weights: Arc<Weights>,
        host: &HashMap<String, Vec<f32>>,
    ) -> Self {
        let tuning = gpu.tuning();
        let buffers = Buffers::new(gpu, config, context, host);
        let layout = Layout::batch(tuning.prefill);
        let builder = ForwardBuilder { gpu, config, plan, weights: &weights, buffers: &buffers, layout };
        let sampler = builder.sampler();
        Self {
            gpu: gpu.clone(),
            vocab: config.vocab,
            buffers,
            config: config.clone(),
            plan: plan.clone(),
            weights,
            programs: Programs::default(),
            sampler,
            answer: Answer::default(),
            copies: Copies::default(),
            state_len: 0,
            max_batch: prefill_batch(config, &tuning),
            seconds_per_token: None,
        }
    }

    /// Waits until the GPU is done.
    pub(super) async fn wait(&self) -> Result<()> {
        self.gpu.read_buffer::<u32>(&self.buffers.state, size_of::<State>() as u64).await?;
        Ok(())
    }

    /// Runs the layers over `batch`, with the output head if `with_logits`.
    fn submit_batch(&mut self, position: usize, batch: &[u32], with_logits: bool) -> Result<()> {
        let token_count = batch.len() as u32;
        let layers = self.prefill_program()?;
        let head = if with_logits { self.prefill_head()? } else { &[] };
        self.feed_batch(position, 0, batch);
        self.submit(|pass| layers.iter().chain(head).for_each(|dispatch| dispatch.encode(pass, token_count)));
        self.state_len = position + batch.len();
        Ok(())
    }

    /// Starts the layers and the head for the token that `next_id` holds.
    fn submit_decode(&mut self, position: usize) -> Result<()> {
        let program = self.decode_program(position)?;
        self.submit(|pass| program.iter().for_each(|dispatch| dispatch.encode(pass, 1)));
        self.state_len = position + 1;
        Ok(())
    }

    /// Logits of one token: `[vocab]`.
    async fn read_logits(&self) -> Result<Vec<f32>> {
        self.gpu.read_buffer(&self.buffers.logits, u64::from(self.vocab) * 4).await
    }

    /// Writes what the sampler needs for an answer. `history` says what was seen of each token.
    pub(super) fn set_sampling(&self, plan: &crate::sampling::SamplingPlan<'_>, history: &[u32]) {
        let queue = self.gpu.queue();
        queue.write_buffer(&self.buffers.history, 0, bytemuck::cast_slice(history));
        queue.write_buffer(&self.buffers.sampling, 0, bytemuck::bytes_of(&plan.params));
        let switches = [0, u32::from(!plan.bias.is_empty())];
        queue.write_buffer(&self.buffers.sampling, SAMPLING_SWITCHES, bytemuck::cast_slice(&switches));
        if !plan.bias.is_empty() {
            let mut bias = vec![0f32; self.vocab as usize];
            for (id, value) in plan.bias {
                bias[*id as usize] = *value;
            }
            queue.write_buffer(&self.buffers.bias, 0, bytemuck::cast_slice(&bias));
        }
    }

    /// Makes `last` what the answer's step `step` is fed, at `position`.
    pub(super) fn feed(&self, position: usize, step: usize, last: u32) {
        self.gpu.queue().write_buffer(&self.buffers.next_id, 0, bytemuck::bytes_of(&last));
        self.write_state(position, 1, step);
    }

    /// Makes `batch` what programs of several tokens are fed, the first at `position`, at the answer's step `step`.
    fn feed_batch(&self, position: usize, step: usize, batch: &[u32]) {
        self.write_state(position, batch.len() as u32, step);
        self.gpu.queue().write_buffer(&self.buffers.prompt_ids, 0, bytemuck::cast_slice(batch));
    }

    /// Encodes one compute pass and submits it.
    pub(super) fn submit(&self, encode: impl FnOnce(&mut wgpu::ComputePass<'_>)) {
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
        self.gpu.queue().submit([encoder.finish()]);
    }

    /// Makes `position` the place where the next batch of `token_count` goes, at the answer's step `step`.
    pub(super) fn write_state(&self, position: usize, token_count: u32, step: usize) {
        let state = State { position: position as u32, token_count, step: step as u32, row: 0 };
        self.gpu.queue().write_buffer(&self.buffers.state, 0, bytemuck::bytes_of(&state));
    }
}

#[async_trait(?Send)]
impl Decoder for GpuDecoder {
    fn batch_len(&self) -> usize {
        let most = self.max_batch;
        let first = (most / FIRST_SHARE).max(FIRST_BATCH);
        let fitting = self.seconds_per_token.map_or(first, |seconds| (BATCH_SECONDS / seconds) as u32);
        // Whole tiles.
        (fitting / MIN_BATCH * MIN_BATCH).clamp(MIN_BATCH.min(most), most) as usize
    }

    fn max_logit_rows(&self) -> usize {
        self.gpu.tuning().prefill.tokens as usize
    }

    async fn run_batch(&mut self, position: usize, ids: &[u32]) -> Result<()> {
        let start = Instant::now();
        self.submit_batch(position, ids, false)?;
        // So that progress is true and a stop takes effect.
        self.wait().await?;
        // Short ones mostly wait, and tell nothing of the pace.
        if ids.len() >= MIN_BATCH as usize {
            self.seconds_per_token = Some(start.elapsed().as_secs_f64() / ids.len() as f64);
        }
        Ok(())
    }

    async fn batch_logits(&mut self, position: usize, ids: &[u32]) -> Result<Vec<f32>> {
        self.submit_batch(position, ids, true)?;
        self.gpu.read_buffer(&self.buffers.logits, ids.len() as u64 * u64::from(self.vocab) * 4).await
    }

    async fn decode_logits(&mut self, position: usize, id: u32) -> Result<Vec<f32>> {
        self.feed(position, 0, id);
        self.submit_decode(position)?;
        self.read_logits().await
    }

    fn begin_answer(&mut self, start: &AnswerStart<'_>) {
        let AnswerStart { position, last, limit, plan, ref history } = *start;
        self.set_sampling(plan, history);
        // The draws of an answer that goes on are not those of its beginning.
        self.feed(position, plan.generated, last);
        self.answer.begin(position, limit, plan.generated);
    }

    fn is_idle(&self) -> bool {
        self.answer.is_idle()
    }

    fn seconds_per_token(&self) -> Option<f64> {
        self.answer.seconds_per_token
    }

    async fn next_tokens(&mut self, goes_on: bool) -> Result<Vec<u32>> {
        self.next_arrivals(goes_on).await
    }

    fn max_choices(&self) -> usize {
        self.max_few().min(self.answer.max_steps())
    }

    async fn choices(&mut self, ids: &[u32]) -> Result<Vec<u32>> {
        debug_assert!(ids.len() <= self.max_choices(), "there is room for as many");
        let (position, step) = (self.answer.position(), self.answer.step());
        let layers = self.few_program()?;
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
        self.state_len = position + ids.len();
        let readback = self.submit_steps(encoder, step, ids.len());
        self.chosen(readback, ids.len()).await
    }

    fn resume(&mut self, accepted: usize, last: u32, seen: &[(u32, u32)]) {
        self.answer.skip(accepted);
        for (id, seen) in seen {
            self.gpu.queue().write_buffer(&self.buffers.history, u64::from(*id) * 4, bytemuck::bytes_of(seen));
        }
        self.feed(self.answer.position(), self.answer.step(), last);
    }

    async fn begin_step(&mut self, position: usize) -> Result<()> {
        self.submit_decode(position)
    }

    async fn step_logits(&mut self) -> Result<Vec<f32>> {
        self.read_logits().await
    }

    fn set_step_logits(&mut self, logits: &[f32]) {
        self.gpu.queue().write_buffer(&self.buffers.logits, 0, bytemuck::cast_slice(logits));
    }

    async fn choose(&mut self, allowed: Option<&[u32]>, wants_logits: bool) -> Result<Step> {
        let queue = self.gpu.queue();
        if let Some(allowed) = allowed {
            let words = self.vocab.div_ceil(32) as usize;
            queue.write_buffer(&self.buffers.allowed, 0, bytemuck::cast_slice(&allowed[..words.min(allowed.len())]));
        }
        let uses_allowed = u32::from(allowed.is_some());
        queue.write_buffer(&self.buffers.sampling, SAMPLING_SWITCHES, bytemuck::bytes_of(&uses_allowed));

        let logits_bytes = if wants_logits { u64::from(self.vocab) * 4 } else { 0 };
        let staging = self.gpu.staging_buffer(logits_bytes + 4);
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        if wants_logits {
            // Before the sampler changes them in place.
            encoder.copy_buffer_to_buffer(&self.buffers.logits, 0, &staging, 0, logits_bytes);
        }
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            self.sampler.iter().for_each(|dispatch| dispatch.encode(&mut pass, 1));
        }
        encoder.copy_buffer_to_buffer(&self.buffers.next_id, 0, &staging, logits_bytes, 4);
        let submission = queue.submit([encoder.finish()]);
        let (words, _) = self.gpu.read(staging, logits_bytes + 4, submission).finish::<u32>(&self.gpu).await?;
        let Some((token, logits)) = words.split_last() else { unreachable!("the token was asked for") };
        let logits = wants_logits.then(|| logits.iter().copied().map(f32::from_bits).collect());
        Ok(Step { token: *token, logits })
    }

    async fn prepare(&self) -> Result<()> {
        self.prefill_program()?;
        self.decode_program(0)?;
        self.gpu.compile().await;
        self.gpu.check()
    }

    fn dispatches_per_token(&self) -> Result<usize> {
        Ok(self.decode_program(0)?.len() + self.sampler.len())
    }

    async fn autotune(&mut self, context: usize) -> Result<Vec<Change>> {
        autotune::run(self, context).await
    }

    fn apply(&mut self, changes: &[Change]) {
        self.lay_out(changes.iter().fold(self.gpu.tuning(), |tuning, change| tuning.with(*change)));
    }

    fn make_plain(&mut self) {
        self.lay_out(self.gpu.tuning().plain());
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

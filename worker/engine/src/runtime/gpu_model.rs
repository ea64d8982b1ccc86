//! A decoder on the GPU: its dispatches, buffers and read-backs.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use web_time::Instant;

use super::buffers::{Buffers, SAMPLING_SWITCHES, State, prefill_batch};
use super::forward::{ForwardBuilder, Layout};
use super::generation::StagingPool;
use super::gpu::Gpu;
use super::program::Dispatch;
use super::weights::Weights;
use crate::error::Result;
use crate::models::{ModelConfig, ModelPlan};
use crate::sampling::SamplingPlan;

/// A decoder's dispatches and buffers. Programs, and with them kernels, are made when they are first needed: many models never see a
/// long context or a guess.
pub(super) struct GpuModel {
    pub(super) gpu: Gpu,
    pub(super) vocab: u32,
    pub(super) buffers: Buffers,
    config: ModelConfig,
    plan: ModelPlan,
    /// Kept also because the dispatches' bind groups need its buffers alive in the browser.
    weights: Arc<Weights>,
    pub(super) programs: Programs,
    pub(super) sampler: [Dispatch; 2],
    pub(super) staging: StagingPool,
    /// Most tokens of a batch.
    pub(super) max_batch: u32,
    /// What a token of a prompt took in the batch before.
    seconds_per_token: Option<f64>,
}

/// What a decoder's dispatches are laid out as.
#[derive(Default)]
pub(super) struct Programs {
    /// The layers for a batch of a prompt's tokens.
    prefill: OnceCell<Vec<Dispatch>>,
    /// The head for them.
    prefill_head: OnceCell<Vec<Dispatch>>,
    /// One token's layers and head, by the steps of [`super::Tuning::attention_splits`].
    decode: [OnceCell<Vec<Dispatch>>; 3],
    /// The layers and the head for a few tokens, to verify guesses.
    few: OnceCell<Vec<Dispatch>>,
}

/// Seconds that a batch of a prompt should take: few enough that a stop takes effect soon.
const BATCH_SECONDS: f64 = 0.4;
/// Tokens of a batch that no adapter takes too long for.
const MIN_BATCH: u32 = 64;
/// The share of the largest batch that the first has at most, of which nothing is known yet, and its tokens at least.
const FIRST_SHARE: u32 = 4;
const FIRST_BATCH: u32 = 256;

impl GpuModel {
    pub(super) fn new(
        gpu: Gpu,
        config: &ModelConfig,
        plan: &ModelPlan,
        context: u32,
        weights: Arc<Weights>,
        host: &HashMap<String, Vec<f32>>,
    ) -> Self {
        let tuning = gpu.tuning();
        let buffers = Buffers::new(&gpu, config, context, host);
        let layout = Layout::batch(tuning.prefill);
        let builder = ForwardBuilder { gpu: &gpu, config, plan, weights: &weights, buffers: &buffers, layout };
        let sampler = builder.sampler();
        Self {
            gpu,
            vocab: config.vocab,
            buffers,
            config: config.clone(),
            plan: plan.clone(),
            weights,
            programs: Programs::default(),
            sampler,
            staging: StagingPool::default(),
            max_batch: prefill_batch(config, &tuning),
            seconds_per_token: None,
        }
    }

    /// Dispatches of one decoded token, sampling included.
    pub(super) fn dispatches_per_token(&self) -> Result<usize> {
        Ok(self.decode_program(0)?.len() + self.sampler.len())
    }

    /// Compiles what every answer needs.
    pub(super) async fn prepare(&self) -> Result<()> {
        self.prefill_program()?;
        self.decode_program(0)?;
        self.gpu.compile().await;
        self.gpu.check()
    }

    /// Waits until the GPU is done.
    pub(super) async fn wait(&self) -> Result<()> {
        self.gpu.read_buffer::<u32>(&self.buffers.state, size_of::<State>() as u64).await?;
        Ok(())
    }

    /// Puts tokens into the cache, the first at `position`, and waits for it.
    pub(super) async fn run_batch(&mut self, position: usize, batch: &[u32]) -> Result<()> {
        let start = Instant::now();
        self.submit_batch(position, batch, false)?;
        // So that progress is true and a stop takes effect.
        self.wait().await?;
        // Short ones mostly wait, and tell nothing of the pace.
        if batch.len() >= MIN_BATCH as usize {
            self.seconds_per_token = Some(start.elapsed().as_secs_f64() / batch.len() as f64);
        }
        Ok(())
    }

    /// How many tokens of a prompt to compute at once.
    pub(super) fn batch_len(&self) -> usize {
        let most = self.max_batch;
        let first = (most / FIRST_SHARE).max(FIRST_BATCH);
        let fitting = self.seconds_per_token.map_or(first, |seconds| (BATCH_SECONDS / seconds) as u32);
        // Whole tiles.
        (fitting / MIN_BATCH * MIN_BATCH).clamp(MIN_BATCH.min(most), most) as usize
    }

    /// The same, and the logits after each of them: `[tokens][vocab]`.
    pub(super) async fn batch_logits(&self, position: usize, batch: &[u32]) -> Result<Vec<f32>> {
        self.submit_batch(position, batch, true)?;
        self.gpu.read_buffer(&self.buffers.logits, batch.len() as u64 * u64::from(self.vocab) * 4).await
    }

    /// The logits after `token` at `position`, by the decode loop's kernels: `[vocab]`.
    pub(super) async fn decode_logits(&self, position: usize, token: u32) -> Result<Vec<f32>> {
        self.feed(position, 0, token);
        self.submit_decode(position)?;
        self.read_logits().await
    }

    /// Starts the layers and the head for the token that `next_id` holds.
    pub(super) fn submit_decode(&self, position: usize) -> Result<()> {
        let program = self.decode_program(position)?;
        self.submit(|pass| program.iter().for_each(|dispatch| dispatch.encode(pass, 1)));
        Ok(())
    }

    /// Logits of one token: `[vocab]`.
    pub(super) async fn read_logits(&self) -> Result<Vec<f32>> {
        self.gpu.read_buffer(&self.buffers.logits, u64::from(self.vocab) * 4).await
    }

    /// Puts what an answer to `prompt` begins with onto the GPU. `history` tells what was seen of each token.
    pub(super) fn begin_answer(&self, position: usize, last: u32, plan: &SamplingPlan<'_>, history: &[u32]) {
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
        // The draws of an answer that goes on are not those of its beginning.
        self.feed(position, plan.generated, last);
    }

    /// Makes `last` what the answer's step `step` is fed, at `position`.
    pub(super) fn feed(&self, position: usize, step: usize, last: u32) {
        self.gpu.queue().write_buffer(&self.buffers.next_id, 0, bytemuck::bytes_of(&last));
        self.write_state(position, 1, step);
    }

    /// Makes `batch` what programs of several tokens are fed, the first at `position`, at the answer's step `step`.
    pub(super) fn feed_batch(&self, position: usize, step: usize, batch: &[u32]) {
        self.write_state(position, batch.len() as u32, step);
        self.gpu.queue().write_buffer(&self.buffers.prompt_ids, 0, bytemuck::cast_slice(batch));
    }

    /// Runs the layers over `batch`, with the output head if `with_logits`.
    fn submit_batch(&self, position: usize, batch: &[u32], with_logits: bool) -> Result<()> {
        let token_count = batch.len() as u32;
        let layers = self.prefill_program()?;
        let head = if with_logits { self.prefill_head()? } else { &[] };
        self.feed_batch(position, 0, batch);
        self.submit(|pass| layers.iter().chain(head).for_each(|dispatch| dispatch.encode(pass, token_count)));
        Ok(())
    }

    /// The layers and the head for at most [`GpuModel::most_few`] tokens.
    pub(super) fn few_program(&self) -> Result<&[Dispatch]> {
        let tuning = self.gpu.tuning();
        // Neighbouring threads that share rows keep a graphics card busy with few tokens, too.
        let linear = if tuning.decode.has_lanes() { tuning.decode } else { tuning.prefill };
        self.program(&self.programs.few, Layout::batch(linear), |builder| builder.whole(&self.buffers.prompt_ids))
    }

    /// Tokens that there is room for, logits included.
    pub(super) fn most_few(&self) -> usize {
        self.gpu.tuning().prefill.tokens.min(self.max_batch) as usize
    }

    /// The layers for a batch of a prompt's tokens.
    pub(super) fn prefill_program(&self) -> Result<&[Dispatch]> {
        let layout = Layout::batch(self.gpu.tuning().prefill);
        self.program(&self.programs.prefill, layout, |builder| builder.layers(&self.buffers.prompt_ids))
    }

    /// The output head for them.
    #[allow(clippy::redundant_closure_for_method_calls, reason = "the method is of one lifetime, the closure of any")]
    fn prefill_head(&self) -> Result<&[Dispatch]> {
        let layout = Layout::batch(self.gpu.tuning().prefill);
        self.program(&self.programs.prefill_head, layout, |builder| builder.head())
    }

    /// The layers and the head for one token at `position`.
    pub(super) fn decode_program(&self, position: usize) -> Result<&[Dispatch]> {
        let tuning = self.gpu.tuning();
        let step = tuning.split_step(position);
        let splits = tuning.attention_splits[step].for_heads(self.config.heads.heads);
        let layout = Layout { linear: tuning.decode, splits, is_one_token: true };
        self.program(&self.programs.decode[step], layout, |builder| builder.whole(&self.buffers.next_id))
    }

    /// What `cell` holds, which is built if it is needed for the first time.
    fn program<'a>(
        &'a self,
        cell: &'a OnceCell<Vec<Dispatch>>,
        layout: Layout,
        build: impl FnOnce(&ForwardBuilder<'_>) -> Result<Vec<Dispatch>>,
    ) -> Result<&'a [Dispatch]> {
        if let Some(program) = cell.get() {
            return Ok(program);
        }
        let Self { gpu, config, plan, weights, buffers, .. } = self;
        let program = build(&ForwardBuilder { gpu, config, plan, weights, buffers, layout })?;
        Ok(cell.get_or_init(|| program))
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

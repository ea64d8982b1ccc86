//! A loaded model: weights, one sequence's KV cache, and prefill.

use std::collections::HashMap;
use std::sync::Arc;

use super::buffers::{Buffers, SAMPLING_SWITCHES, State};
use super::forward::{ForwardBuilder, Layout};
use super::generation::{Generation, StagingPool};
use super::gpu::Gpu;
use super::program::Dispatch;
use super::stepwise::Stepwise;
use super::weights::Weights;
use crate::chat::Chat;
use crate::error::{EngineError, Result};
use crate::models::{ModelConfig, ModelPlan};
use crate::reference::sampling::IN_PROMPT;
use crate::sampling::{SamplingParams, SamplingPlan};

/// A model on the GPU, ready to answer.
///
/// It holds one sequence. A new prompt that begins like the last one is prefilled only where it differs.
pub struct Model {
    pub(super) gpu: Gpu,
    config: ModelConfig,
    chat: Arc<Chat>,
    context: u32,
    /// What the context would have been, had the memory sufficed.
    pub(super) wished_context: u32,
    pub(super) buffers: Buffers,
    /// Kept because the dispatches' bind groups need its buffers alive in the browser.
    _weights: Arc<Weights>,
    weight_bytes: u64,
    prefill: Vec<Dispatch>,
    prefill_head: Vec<Dispatch>,
    /// One token's layers and head, by the steps of [`super::Tuning::attention_splits`].
    decode: Vec<Vec<Dispatch>>,
    pub(super) sampler: [Dispatch; 2],
    /// Tokens whose keys and values are in the cache.
    pub(super) cached: Vec<u32>,
    pub(super) staging: StagingPool,
}

impl Model {
    pub(super) fn new(
        gpu: Gpu,
        config: ModelConfig,
        plan: &ModelPlan,
        chat: Arc<Chat>,
        context: u32,
        weights: Arc<Weights>,
        host: &HashMap<String, Vec<f32>>,
    ) -> Result<Self> {
        let tuning = gpu.tuning();
        let buffers = Buffers::new(&gpu, &config, context, host);
        let builder = |linear, splits| {
            let layout = Layout { linear, splits };
            ForwardBuilder { gpu: &gpu, config: &config, plan, weights: &weights, buffers: &buffers, layout }
        };
        let decode = |splits| -> Result<Vec<Dispatch>> {
            let builder = builder(tuning.decode, splits);
            let mut program = builder.layers(&buffers.next_id)?;
            program.extend(builder.head()?);
            Ok(program)
        };
        // Steps that no position of this context takes need no program.
        let steps = tuning.attention_splits.iter().filter(|step| step.from < context);
        let decode = steps.map(|step| decode(step.splits)).collect::<Result<_>>()?;
        let prefiller = builder(tuning.prefill, 1);
        let prefill = prefiller.layers(&buffers.prompt_ids)?;
        let prefill_head = prefiller.head()?;
        let sampler = prefiller.sampler();
        let staging = StagingPool::default();
        Ok(Self {
            gpu,
            config,
            chat,
            context,
            wished_context: context,
            buffers,
            _weights: weights,
            weight_bytes: plan.weights.len_bytes(),
            prefill,
            prefill_head,
            decode,
            sampler,
            cached: Vec::new(),
            staging,
        })
    }

    /// Hyperparameters.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Tokenizer and chat template.
    pub fn chat(&self) -> &Chat {
        &self.chat
    }

    /// The same, to use while a [`Generation`] borrows the model.
    pub fn chat_handle(&self) -> Arc<Chat> {
        Arc::clone(&self.chat)
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Bytes of weights on the GPU.
    pub fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    /// Tokens that prompt and answer may have together.
    pub fn context_tokens(&self) -> u32 {
        self.context
    }

    /// What [`Model::context_tokens`] would have been, had the memory sufficed.
    pub fn wished_context_tokens(&self) -> u32 {
        self.wished_context
    }

    /// Dispatches of one decoded token, sampling included.
    pub fn dispatches_per_token(&self) -> usize {
        self.decode[0].len() + self.sampler.len()
    }

    /// Tokens whose keys and values are in the cache.
    pub fn cached_tokens(&self) -> &[u32] {
        &self.cached
    }

    /// How many of `prompt`'s first tokens need no prefill, because the cache holds them.
    pub fn cached_prefix_len(&self, prompt: &[u32]) -> usize {
        // The last token always goes through the decode loop, which gives its logits.
        let usable = prompt.len().saturating_sub(1);
        self.cached.iter().zip(&prompt[..usable]).take_while(|(a, b)| a == b).count()
    }

    /// Puts all of `prompt` but its last token into the cache.
    ///
    /// `on_progress` hears of (tokens done, tokens to do) before and after each batch and returns whether to go on.
    ///
    /// # Errors
    /// [`EngineError::ContextOverflow`] if nothing fits after the prompt, [`EngineError::Interrupted`] if
    /// `on_progress` said so, or whatever the GPU reported. The cache stays consistent.
    pub async fn prefill(&mut self, prompt: &[u32], mut on_progress: impl FnMut(usize, usize) -> bool) -> Result<()> {
        let Some((_, before_last)) = prompt.split_last() else {
            return Err(EngineError::Tokenizer("the prompt has no tokens".to_owned()));
        };
        self.check_tokens(prompt)?;
        if prompt.len() >= self.context as usize {
            return Err(EngineError::ContextOverflow {
                prompt_tokens: prompt.len(),
                context_tokens: self.context as usize,
            });
        }
        self.cached.truncate(self.cached_prefix_len(prompt));
        let start = self.cached.len();
        let to_do = before_last.len() - start;
        let mut done = 0;
        for batch in before_last[start..].chunks(self.gpu.tuning().prefill_batch as usize) {
            if !on_progress(done, to_do) {
                return Err(EngineError::Interrupted);
            }
            self.submit_batch(batch, false);
            // Reading anything back waits for the batch, so that progress is true and a stop takes effect.
            self.gpu.read_buffer::<u32>(&self.buffers.state, size_of::<State>() as u64).await?;
            done += batch.len();
        }
        if !on_progress(done, to_do) {
            return Err(EngineError::Interrupted);
        }
        Ok(())
    }

    /// Logits after each of `tokens`, fed after what the cache holds: `[tokens][vocab]`. For tests and scoring.
    ///
    /// # Errors
    /// [`EngineError::ContextOverflow`], or whatever the GPU reported.
    pub async fn logits(&mut self, tokens: &[u32]) -> Result<Vec<Vec<f32>>> {
        self.check_tokens(tokens)?;
        let total = self.cached.len() + tokens.len();
        if total > self.context as usize {
            return Err(EngineError::ContextOverflow { prompt_tokens: total, context_tokens: self.context as usize });
        }
        let vocab = self.config.vocab as usize;
        let mut rows = Vec::with_capacity(tokens.len());
        for batch in tokens.chunks(self.gpu.tuning().prefill.tokens as usize) {
            self.submit_batch(batch, true);
            let len_bytes = (batch.len() * vocab * 4) as u64;
            let logits: Vec<f32> = self.gpu.read_buffer(&self.buffers.logits, len_bytes).await?;
            rows.extend(logits.chunks_exact(vocab).map(<[f32]>::to_vec));
        }
        Ok(rows)
    }

    /// Logits after `token`, computed by the decode loop's kernels: `[vocab]`. For tests.
    ///
    /// # Errors
    /// As [`Model::logits`].
    pub async fn decode_logits(&mut self, token: u32) -> Result<Vec<f32>> {
        self.check_tokens(&[token])?;
        self.write_state(1);
        self.gpu.queue().write_buffer(&self.buffers.next_id, 0, bytemuck::bytes_of(&token));
        let program = self.decode_program(self.cached.len());
        self.submit(|pass| program.iter().for_each(|dispatch| dispatch.encode(pass, 1)));
        self.cached.push(token);
        self.gpu.read_buffer(&self.buffers.logits, u64::from(self.config.vocab) * 4).await
    }

    /// Runs every kernel once, so that the first answer does not wait for their compilation.
    ///
    /// # Errors
    /// Whatever the GPU reported.
    pub async fn warm_up(&mut self) -> Result<()> {
        let prompt = [0, 0];
        self.prefill(&prompt, |_, _| true).await?;
        self.generate(&prompt, &SamplingParams::GREEDY, 1)?.next().await?;
        self.reset();
        Ok(())
    }

    /// Empties the cache.
    pub fn reset(&mut self) {
        self.cached.clear();
    }

    /// Starts to answer `prompt`, which [`Model::prefill`] must have seen, with at most `max_tokens` tokens.
    ///
    /// # Errors
    /// [`EngineError::InvalidSampling`], or a bias for a token that is none.
    pub fn generate<'p>(
        &mut self,
        prompt: &[u32],
        plan: impl Into<SamplingPlan<'p>>,
        max_tokens: usize,
    ) -> Result<Generation<'_>> {
        let plan = plan.into();
        let last = self.begin_answer(prompt, &plan)?;
        let room = self.context as usize - self.cached.len();
        Ok(Generation::new(self, last, max_tokens, room, plan.generated))
    }

    /// The same, one token at a time, for answers that the host has a say in.
    ///
    /// # Errors
    /// As [`Model::generate`].
    pub fn generate_stepwise<'p>(&mut self, prompt: &[u32], plan: impl Into<SamplingPlan<'p>>) -> Result<Stepwise<'_>> {
        let last = self.begin_answer(prompt, &plan.into())?;
        Ok(Stepwise::new(self, last))
    }

    /// Puts what an answer to `prompt` begins with onto the GPU and returns the prompt's last token.
    fn begin_answer(&mut self, prompt: &[u32], plan: &SamplingPlan<'_>) -> Result<u32> {
        plan.params.validate()?;
        debug_assert_eq!(self.cached.len() + 1, prompt.len(), "prefill comes first");
        let vocab = self.config.vocab as usize;
        let (given, generated) = prompt.split_at(prompt.len() - plan.generated.min(prompt.len()));
        let mut history = vec![0u32; vocab];
        for token in given {
            history[*token as usize] = IN_PROMPT;
        }
        for token in generated {
            history[*token as usize] += 1;
        }
        let last = prompt.last().copied().unwrap_or_default();
        let queue = self.gpu.queue();
        queue.write_buffer(&self.buffers.history, 0, bytemuck::cast_slice(&history));
        queue.write_buffer(&self.buffers.sampling, 0, bytemuck::bytes_of(&plan.params));
        let switches = [0, u32::from(!plan.bias.is_empty())];
        queue.write_buffer(&self.buffers.sampling, SAMPLING_SWITCHES, bytemuck::cast_slice(&switches));
        if !plan.bias.is_empty() {
            let ids: Vec<u32> = plan.bias.iter().map(|(id, _)| *id).collect();
            self.check_tokens(&ids)?;
            let mut bias = vec![0f32; vocab];
            for (id, value) in plan.bias {
                bias[*id as usize] = *value;
            }
            queue.write_buffer(&self.buffers.bias, 0, bytemuck::cast_slice(&bias));
        }
        queue.write_buffer(&self.buffers.next_id, 0, bytemuck::bytes_of(&last));
        // The draws of an answer that goes on are not those of its beginning.
        let step = plan.generated as u32;
        let state = State { position: self.cached.len() as u32, token_count: 1, step, padding: 0 };
        queue.write_buffer(&self.buffers.state, 0, bytemuck::bytes_of(&state));
        Ok(last)
    }

    /// Runs the layers over `batch`, with the output head if `with_logits`, and counts the batch as cached.
    fn submit_batch(&mut self, batch: &[u32], with_logits: bool) {
        let token_count = batch.len() as u32;
        self.write_state(token_count);
        self.gpu.queue().write_buffer(&self.buffers.prompt_ids, 0, bytemuck::cast_slice(batch));
        self.submit(|pass| {
            self.prefill.iter().for_each(|dispatch| dispatch.encode(pass, token_count));
            if with_logits {
                self.prefill_head.iter().for_each(|dispatch| dispatch.encode(pass, token_count));
            }
        });
        self.cached.extend_from_slice(batch);
    }

    /// The layers and the head for one token at `position`.
    pub(super) fn decode_program(&self, position: usize) -> &[Dispatch] {
        &self.decode[self.gpu.tuning().split_step(position)]
    }

    /// Encodes one compute pass and submits it.
    pub(super) fn submit(&self, encode: impl FnOnce(&mut wgpu::ComputePass<'_>)) {
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
        self.gpu.queue().submit([encoder.finish()]);
    }

    /// Makes the end of the cache the place where the next batch of `token_count` goes.
    pub(super) fn write_state(&self, token_count: u32) {
        let state = State { position: self.cached.len() as u32, token_count, step: 0, padding: 0 };
        self.gpu.queue().write_buffer(&self.buffers.state, 0, bytemuck::bytes_of(&state));
    }

    fn check_tokens(&self, tokens: &[u32]) -> Result<()> {
        match tokens.iter().find(|token| **token >= self.config.vocab) {
            Some(token) => Err(EngineError::Tokenizer(format!("the token {token} is not in the vocabulary"))),
            None => Ok(()),
        }
    }
}

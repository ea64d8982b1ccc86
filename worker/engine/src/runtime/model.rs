//! A loaded model: one sequence, its cache, and prefill.

use std::sync::Arc;

use super::cpu::CpuModel;
use super::device::Device;
use super::generation::Generation;
use super::gpu_model::GpuModel;
use super::guesses::Guesser;
use super::parked::{Parked, shared_len};
use super::stepwise::Stepwise;
use crate::chat::Chat;
use crate::error::{EngineError, Result};
use crate::models::ModelConfig;
use crate::sampling::{SamplingParams, SamplingPlan, history};

/// A model in memory, ready to answer.
///
/// It computes one sequence and keeps others while there is room: a new prompt that begins like one of them is prefilled only where
/// it differs.
pub struct Model {
    pub(super) config: ModelConfig,
    pub(super) chat: Arc<Chat>,
    pub(super) context: u32,
    /// What the context would have been, had the memory sufficed.
    pub(super) wished_context: u32,
    pub(super) weight_bytes: u64,
    /// Tokens whose keys and values are in the cache.
    pub(super) cached: Vec<u32>,
    /// Other conversations.
    pub(super) parked: Parked,
    pub(super) device: Device,
    pub(super) compute: Compute,
}

/// Where a model is computed.
pub(super) enum Compute {
    Gpu(Box<GpuModel>),
    Cpu(Box<CpuModel>),
}

impl Compute {
    /// Puts tokens into the cache, the first at `position`.
    async fn run_batch(&mut self, position: usize, batch: &[u32]) -> Result<()> {
        match self {
            Self::Gpu(model) => model.run_batch(position, batch).await,
            Self::Cpu(model) => model.run_batch(position, batch).await,
        }
    }

    /// How many tokens of a prompt to compute at once.
    fn batch_len(&self) -> usize {
        match self {
            Self::Gpu(model) => model.batch_len(),
            Self::Cpu(model) => model.batch_len(),
        }
    }
}

/// All tokens but the last, which always goes through the decode loop: that gives its logits.
fn before_last(prompt: &[u32]) -> &[u32] {
    prompt.split_last().map_or(&[], |(_, before)| before)
}

impl Model {
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
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Bytes of weights.
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

    /// Dispatches of one decoded token, sampling included; none on the CPU.
    ///
    /// # Errors
    /// As [`Model::generate`]: what was not needed yet is prepared for it.
    pub fn dispatches_per_token(&self) -> Result<usize> {
        match &self.compute {
            Compute::Gpu(model) => model.dispatches_per_token(),
            Compute::Cpu(_) => Ok(0),
        }
    }

    /// Tokens whose keys and values are in the cache.
    pub fn cached_tokens(&self) -> &[u32] {
        &self.cached
    }

    /// How many of `prompt`'s first tokens need no prefill, because this sequence or another one that is kept begins with them.
    pub fn cached_prefix_len(&self, prompt: &[u32]) -> usize {
        let before_last = before_last(prompt);
        shared_len(&self.cached, before_last).max(self.parked_prefix_len(before_last))
    }

    /// Puts all of `prompt` but its last token into the cache.
    ///
    /// `on_progress` hears of (tokens done, tokens to do) before and after each batch and returns whether to go on.
    ///
    /// # Errors
    /// [`EngineError::ContextOverflow`] if nothing fits after the prompt, [`EngineError::Interrupted`] if
    /// `on_progress` said so, or whatever the GPU reported. The cache stays consistent.
    pub async fn prefill(&mut self, prompt: &[u32], mut on_progress: impl FnMut(usize, usize) -> bool) -> Result<()> {
        if prompt.is_empty() {
            return Err(EngineError::Tokenizer("the prompt has no tokens".to_owned()));
        }
        self.check_tokens(prompt)?;
        if prompt.len() >= self.context as usize {
            return Err(EngineError::ContextOverflow {
                prompt_tokens: prompt.len(),
                context_tokens: self.context as usize,
            });
        }
        let before_last = before_last(prompt);
        self.switch_to(before_last).await;
        self.cached.truncate(shared_len(&self.cached, before_last));
        let start = self.cached.len();
        let mut rest = &before_last[start..];
        let to_do = rest.len();
        loop {
            if !on_progress(to_do - rest.len(), to_do) {
                return Err(EngineError::Interrupted);
            }
            if rest.is_empty() {
                return Ok(());
            }
            let (batch, after) = rest.split_at(self.compute.batch_len().min(rest.len()));
            self.compute.run_batch(self.cached.len(), batch).await?;
            self.cached.extend_from_slice(batch);
            rest = after;
        }
    }

    /// Logits after each of `tokens`, fed after what the cache holds: `[tokens][vocab]`. For tests and scoring.
    ///
    /// # Errors
    /// [`EngineError::ContextOverflow`], or whatever the GPU reported.
    pub async fn logits(&mut self, tokens: &[u32]) -> Result<Vec<Vec<f32>>> {
        self.check_tokens(tokens)?;
        self.check_room(tokens.len())?;
        let vocab = self.config.vocab as usize;
        let mut rows = Vec::with_capacity(tokens.len());
        let batch_len = match &self.compute {
            Compute::Gpu(model) => model.gpu.tuning().prefill.tokens as usize,
            Compute::Cpu(model) => model.batch_len(),
        };
        for batch in tokens.chunks(batch_len) {
            let position = self.cached.len();
            let logits = match &mut self.compute {
                Compute::Gpu(model) => model.batch_logits(position, batch).await?,
                Compute::Cpu(model) => model.batch_logits(position, batch).await?,
            };
            self.cached.extend_from_slice(batch);
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
        self.check_room(1)?;
        let position = self.cached.len();
        let logits = match &mut self.compute {
            Compute::Gpu(model) => model.decode_logits(position, token).await?,
            Compute::Cpu(model) => model.decode(position, token).await?.to_vec(),
        };
        self.cached.push(token);
        Ok(logits)
    }

    /// Compiles the kernels of a first answer and runs them once, so that it does not wait for that; on the CPU there is nothing to compile.
    ///
    /// # Errors
    /// Whatever the GPU reported.
    pub async fn warm_up(&mut self) -> Result<()> {
        let Compute::Gpu(model) = &self.compute else { return Ok(()) };
        model.prepare().await?;
        let prompt = [0, 0];
        self.prefill(&prompt, |_, _| true).await?;
        self.generate(&prompt, &SamplingParams::GREEDY, 1)?.next().await?;
        self.reset();
        Ok(())
    }

    /// Forgets all sequences.
    pub fn reset(&mut self) {
        self.cached.clear();
        self.parked.clear();
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
        let guesser = plan.guess_from.map(|expected| {
            // No answer is longer than the context.
            let expected = &expected[..expected.len().min(self.context as usize)];
            Guesser::new(expected, prompt, plan.generated)
        });
        Ok(Generation::new(self, last, max_tokens, room, plan.generated, guesser))
    }

    /// The same, one token at a time, for answers that the host has a say in.
    ///
    /// # Errors
    /// As [`Model::generate`].
    pub fn generate_stepwise<'p>(&mut self, prompt: &[u32], plan: impl Into<SamplingPlan<'p>>) -> Result<Stepwise<'_>> {
        let last = self.begin_answer(prompt, &plan.into())?;
        Ok(Stepwise::new(self, last))
    }

    /// Puts what an answer to `prompt` begins with onto the device and returns the prompt's last token.
    fn begin_answer(&mut self, prompt: &[u32], plan: &SamplingPlan<'_>) -> Result<u32> {
        plan.params.validate()?;
        self.check_tokens(&plan.bias.iter().map(|(id, _)| *id).collect::<Vec<_>>())?;
        debug_assert_eq!(self.cached.len() + 1, prompt.len(), "prefill comes first");
        let history = history(self.config.vocab as usize, prompt, plan.generated);
        let last = prompt.last().copied().unwrap_or_default();
        match &mut self.compute {
            Compute::Gpu(model) => model.begin_answer(self.cached.len(), last, plan, &history),
            Compute::Cpu(model) => model.begin_answer(plan, history),
        }
        Ok(last)
    }

    /// Whether so many more tokens fit.
    fn check_room(&self, tokens: usize) -> Result<()> {
        let (prompt_tokens, context_tokens) = (self.cached.len() + tokens, self.context as usize);
        if prompt_tokens > context_tokens {
            return Err(EngineError::ContextOverflow { prompt_tokens, context_tokens });
        }
        Ok(())
    }

    fn check_tokens(&self, tokens: &[u32]) -> Result<()> {
        match tokens.iter().find(|token| **token >= self.config.vocab) {
            Some(token) => Err(EngineError::Tokenizer(format!("the token {token} is not in the vocabulary"))),
            None => Ok(()),
        }
    }
}

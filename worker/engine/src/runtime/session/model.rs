//! A loaded model: prefill, generation, and reuse of sequences.

use std::sync::Arc;

use super::drafter::DraftRecord;
use super::feed::feed;
use super::prompt::Prompt;
use crate::chat::Chat;
use crate::error::{EngineError, Result};
use crate::models::ModelConfig;
use crate::runtime::backend::{Decoder, Profiled};
use crate::runtime::device::Device;
use crate::runtime::measuring::{Change, Profile, SelfTest, Verdict};
use crate::runtime::memory::{Element, Part, Sequences, Snapshot};
use crate::sampling::SamplingParams;

/// A model in memory, ready to answer.
///
/// It has memory for one or several sequences, of which one is selected, and saves the KV caches of others while there is
/// room: a new prompt that begins like one of them is prefilled only from where it differs.
pub struct Model {
    pub(in crate::runtime) config: ModelConfig,
    pub(in crate::runtime) chat: Arc<Chat>,
    pub(in crate::runtime) context: u32,
    /// The context length that was requested.
    pub(in crate::runtime) requested_context: u32,
    pub(in crate::runtime) weight_bytes: u64,
    pub(in crate::runtime) sequences: Sequences,
    /// Whether the RoPE positions of each sequence differ from its indices.
    pub(in crate::runtime) is_shifted: Vec<bool>,
    /// The last token of each sequence that has [joined](Model::join); it enters the cache with the next step.
    pub(in crate::runtime) last: Vec<u32>,
    pub(in crate::runtime) device: Device,
    pub(in crate::runtime) decoder: Box<dyn Decoder>,
    /// A smaller model that drafts for this one, see [`Model::set_draft`], and what is known of its drafts.
    pub(in crate::runtime) draft: Option<Box<Model>>,
    pub(in crate::runtime) drafting: DraftRecord,
}

/// All elements but the last, which the decode loop computes, because its logits are needed.
fn before_last(prompt: &[Element]) -> &[Element] {
    prompt.split_last().map_or(&[], |(_, before)| before)
}

impl Model {
    /// The hyperparameters.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The tokenizer and the chat template.
    pub fn chat(&self) -> &Chat {
        &self.chat
    }

    /// Like [`Model::chat`], for use while a [`Generation`] borrows the model.
    pub fn chat_handle(&self) -> Arc<Chat> {
        Arc::clone(&self.chat)
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Size of the weights in bytes.
    pub fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    /// Context length: tokens of prompt and answer together.
    pub fn context_tokens(&self) -> u32 {
        self.context
    }

    /// The context length that was requested; [`Model::context_tokens`] is smaller if memory was short.
    pub fn requested_context_tokens(&self) -> u32 {
        self.requested_context
    }

    /// Number of dispatches per decoded token, including sampling; 0 on the CPU.
    ///
    /// # Errors
    /// As [`Model::generate`]: kernels that were not needed yet are prepared.
    pub fn dispatches_per_token(&self) -> Result<usize> {
        self.decoder.dispatches_per_token()
    }

    /// Number of sequences that there is memory for, each with a context of its own.
    pub fn sequence_count(&self) -> usize {
        self.sequences.count()
    }

    /// Selects the sequence that prompts, answers and snapshots belong to. At first, and after [`Model::reset`], it is
    /// number 0.
    ///
    /// # Panics
    /// If there are not as many sequences.
    pub fn select(&mut self, sequence: usize) {
        assert!(sequence < self.sequence_count(), "there is no such sequence");
        self.sequences.select(&mut *self.decoder, sequence);
    }

    /// Tokens of the sequence in the model's memory, without embeddings.
    pub fn cached_tokens(&self) -> Vec<u32> {
        self.sequences.elements().iter().filter_map(|element| element.token()).collect()
    }

    /// Length of the sequence in the model's memory: tokens and embeddings.
    pub fn cached_len(&self) -> usize {
        self.sequences.len()
    }

    /// How many leading tokens and embeddings of `prompt` need no prefill because this sequence or a saved one begins
    /// with them.
    pub fn cached_prefix_len<'p>(&self, prompt: impl Into<Prompt<'p>>) -> usize {
        let elements = prompt.into().elements(self.width());
        self.sequences.reusable_len(&*self.decoder, before_last(&elements))
    }

    pub(super) fn width(&self) -> usize {
        self.config.embedding_len as usize
    }

    /// Computes all tokens and embeddings of `prompt` but the last token.
    ///
    /// `on_progress` is called with (tokens done, tokens in total) before and after each batch and returns whether to
    /// continue.
    ///
    /// # Errors
    /// [`EngineError::Prompt`] if it does not fit the model, [`EngineError::ContextOverflow`] if it leaves no room for an
    /// answer, [`EngineError::Interrupted`] if `on_progress` returned `false`, or whatever the device reported. The cache
    /// stays consistent.
    pub async fn prefill<'p>(
        &mut self,
        prompt: impl Into<Prompt<'p>>,
        mut on_progress: impl FnMut(usize, usize) -> bool,
    ) -> Result<()> {
        let prompt = prompt.into();
        let total = self.begin_prompt(&prompt).await?;
        self.read_rest(&prompt, total, |done| on_progress(done, total)).await
    }

    /// Reads the `total` tokens and embeddings that are left of a prompt. `on_progress` gets the number of those done.
    pub(super) async fn read_rest(
        &mut self,
        prompt: &Prompt<'_>,
        total: usize,
        mut on_progress: impl FnMut(usize) -> bool,
    ) -> Result<()> {
        let mut left = total;
        loop {
            if !on_progress(total - left) {
                return Err(EngineError::Interrupted);
            }
            if left == 0 {
                return Ok(());
            }
            left = self.read_piece(prompt, self.decoder.batch_len()).await?;
        }
    }

    /// Starts to read `prompt` in pieces: makes the selected sequence hold what is known of it. Returns how many tokens and
    /// embeddings are left to compute, for [`Model::read_piece`].
    ///
    /// # Errors
    /// As [`Model::prefill`].
    pub async fn begin_prompt<'p>(&mut self, prompt: impl Into<Prompt<'p>>) -> Result<usize> {
        let (prompt, width) = (prompt.into(), self.width());
        prompt.check(width, width * self.config.deepstack_layers as usize, self.decoder.max_batch_len())?;
        self.check_tokens(&prompt.tokens())?;
        let elements = prompt.elements(width);
        if elements.len() >= self.context as usize {
            return Err(EngineError::ContextOverflow {
                prompt_tokens: elements.len(),
                context_tokens: self.context as usize,
            });
        }
        self.sequences.switch_to(&mut *self.decoder, before_last(&elements), self.context as usize).await;
        self.set_positions(&prompt);
        Ok(self.left_of(elements.len()).await)
    }

    /// Computes the next piece of `prompt`, with which [`Model::begin_prompt`] was called: at most `most` tokens, unless
    /// embeddings attend to each other. Returns how many tokens and embeddings are left. Other sequences may be selected
    /// and computed between two pieces.
    ///
    /// # Errors
    /// Whatever the device reported. The cache stays consistent.
    pub async fn read_piece<'p>(&mut self, prompt: impl Into<Prompt<'p>>, most: usize) -> Result<usize> {
        let (prompt, width) = (prompt.into(), self.width());
        let at = self.sequences.len();
        let elements = prompt.elements(width);
        if let Some((batch, len)) = prompt.batch(at, self.decoder.batch_len().min(most.max(1)), width) {
            self.decoder.run_batch(at, batch).await?;
            self.sequences.extend(&elements[at..at + len]);
        }
        Ok(self.left_of(elements.len()).await)
    }

    /// How many elements of a prompt of `len` the selected sequence lacks. If it lacks none, a checkpoint is made: the next
    /// prompt may share this one but not the answer.
    async fn left_of(&mut self, len: usize) -> usize {
        let left = len - 1 - self.sequences.len();
        if left == 0 {
            self.sequences.checkpoint(&mut *self.decoder, 0).await;
        }
        left
    }

    /// Sets the RoPE positions of a prompt and of the answer to it.
    fn set_positions(&mut self, prompt: &Prompt<'_>) {
        let positions = prompt.positions(self.width());
        let was_shifted = std::mem::replace(&mut self.is_shifted[self.sequences.selected()], positions.is_some());
        match positions {
            Some((positions, next)) => self.decoder.set_positions(&positions, next),
            None if was_shifted => self.decoder.set_positions(&[], 0),
            None => {}
        }
    }

    /// Logits after each of `tokens`, appended to the cached sequence: `[tokens][vocab]`. For tests and scoring.
    ///
    /// # Errors
    /// [`EngineError::ContextOverflow`], or whatever the device reported.
    pub async fn logits(&mut self, tokens: &[u32]) -> Result<Vec<Vec<f32>>> {
        self.check_tokens(tokens)?;
        self.check_room(tokens.len())?;
        let vocab = self.config.vocab as usize;
        let mut rows = Vec::with_capacity(tokens.len());
        for batch in tokens.chunks(self.decoder.max_logit_rows()) {
            let logits = self.decoder.batch_logits(self.sequences.len(), batch).await?;
            self.sequences.extend_tokens(batch);
            rows.extend(logits.chunks_exact(vocab).map(<[f32]>::to_vec));
        }
        Ok(rows)
    }

    /// Logits after `token`, computed by the kernels of the decode loop: `[vocab]`. For tests.
    ///
    /// # Errors
    /// As [`Model::logits`].
    pub async fn decode_logits(&mut self, token: u32) -> Result<Vec<f32>> {
        self.check_tokens(&[token])?;
        self.check_room(1)?;
        let logits = self.decoder.decode_logits(self.sequences.len(), token).await?;
        self.sequences.push(token);
        Ok(logits)
    }

    /// Compiles the kernels that a first answer needs and runs them once, so that it does not have to wait.
    ///
    /// # Errors
    /// Whatever the device reported.
    pub async fn warm_up(&mut self) -> Result<()> {
        self.decoder.prepare().await?;
        let prompt = [0, 0];
        self.prefill(&prompt, |_, _| true).await?;
        self.generate(&prompt, &SamplingParams::GREEDY, 1)?.next().await?;
        self.reset();
        Ok(())
    }

    /// Drops all sequences, also those of a draft model, and selects the first.
    pub fn reset(&mut self) {
        self.sequences.clear(&mut *self.decoder);
        if let Some(draft) = &mut self.draft {
            draft.reset();
        }
    }

    /// Serialises the sequence in memory: its tokens, keys and values, and the state of recurrent layers. If the state
    /// has seen further tokens, it is computed again from the last checkpoint.
    ///
    /// # Errors
    /// Whatever the device reported.
    pub async fn snapshot(&mut self) -> Result<Vec<u8>> {
        self.settle().await?;
        let len = self.sequences.len();
        let mut bytes = self.snapshot_format().header(self.sequences.elements());
        bytes.extend(self.decoder.read(Part::Rows(len)).await?);
        bytes.extend(self.decoder.read(Part::Checkpoint(len)).await?);
        Ok(bytes)
    }

    /// Makes the memory hold the selected sequence and nothing more. An answer may have computed tokens that were not
    /// returned; if they cannot be taken back, the sequence is replayed from the last checkpoint. Only if there was no
    /// memory for checkpoints may embeddings follow it; they are not known any more, and the sequence ends there.
    pub(super) async fn settle(&mut self) -> Result<()> {
        let len = self.sequences.len();
        if self.decoder.holds(len) {
            return Ok(());
        }
        let elements = self.sequences.elements().to_vec();
        self.sequences.rewind(&mut *self.decoder, len);
        let replayed: Vec<u32> = elements[self.sequences.len()..].iter().map_while(|element| element.token()).collect();
        feed(&mut self.sequences, &mut *self.decoder, &replayed).await
    }

    /// Restores a snapshot of the same model.
    ///
    /// # Errors
    /// [`EngineError::BadSnapshot`] if it is damaged, belongs to another model, or is longer than the context.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let contents = self.snapshot_format().read(bytes)?;
        self.sequences.rewind(&mut *self.decoder, 0);
        let len = contents.elements.len();
        self.decoder.write(Part::Rows(len), contents.rows);
        self.decoder.write(Part::Checkpoint(len), contents.checkpoint);
        self.sequences.extend(&contents.elements);
        Ok(())
    }

    fn snapshot_format(&self) -> Snapshot<'_> {
        Snapshot { memory: &*self.decoder, context: self.context as usize, vocab: self.config.vocab }
    }

    /// Tries changes of the kernel layout on this model and adapter and keeps those that are faster. Takes about a
    /// second; the result can be stored and passed to [`Model::apply`] later. Does nothing on the CPU. Drops all
    /// sequences.
    ///
    /// # Errors
    /// Whatever the device reported.
    pub async fn autotune(&mut self) -> Result<Vec<Change>> {
        Ok(self.autotune_while(&|| true).await?.unwrap_or_default())
    }

    /// The same, but stops soon after `is_wanted` turns false. Then there is no result, and the layout is as before, as it is
    /// after an error.
    ///
    /// # Errors
    /// Whatever the device reported.
    pub async fn autotune_while(&mut self, is_wanted: &dyn Fn() -> bool) -> Result<Option<Vec<Change>>> {
        self.reset();
        let changes = self.decoder.autotune(self.context as usize, is_wanted).await;
        // Measuring has overwritten the cache.
        self.reset();
        changes
    }

    /// Applies changes to the kernel layout.
    pub fn apply(&mut self, changes: &[Change]) {
        self.decoder.apply(changes);
    }

    /// Compares the model's kernels with their references. If one is wrong, all switch to the plain layout and are
    /// compared again; the layout in use afterwards is correct unless the result is [`Verdict::Wrong`]. Does nothing on
    /// the CPU. Drops all sequences.
    ///
    /// # Errors
    /// [`EngineError::OutOfMemory`] if there is no room for the test, or whatever the device reported.
    pub async fn self_test(&mut self) -> Result<SelfTest> {
        self.reset();
        let wrong = self.decoder.wrong_kernels().await?;
        if wrong.is_empty() {
            return Ok(SelfTest { verdict: Verdict::Sound, wrong });
        }
        self.make_plain();
        self.decoder.prepare().await?;
        let is_plain_right = self.decoder.wrong_kernels().await?.is_empty();
        Ok(SelfTest { verdict: if is_plain_right { Verdict::Plain } else { Verdict::Wrong }, wrong })
    }

    /// Switches to the plain kernel layout, see [`Tuning::plain`](crate::runtime::Tuning::plain).
    pub fn make_plain(&mut self) {
        self.decoder.make_plain();
    }

    /// Identifies the kernels that [`Model::self_test`] compares, with their formats, shapes and layouts.
    ///
    /// # Errors
    /// As [`Model::generate`]: kernels that were not needed yet are prepared.
    pub fn kernels_id(&self) -> Result<u64> {
        self.decoder.kernels_id()
    }

    /// Times the kernels of one token appended to the sequence in memory: medians of `runs` runs.
    ///
    /// # Errors
    /// [`EngineError::NoGpu`] if the adapter has no timestamps, or whatever the device reported.
    pub async fn profile(&mut self, runs: usize) -> Result<Profile> {
        self.profile_kernels(Profiled::Decode, runs).await
    }

    /// Times the kernels of a batch of prompt tokens appended to the sequence in memory: medians of `runs` runs. The
    /// results are discarded. The tokens must fit into the context and into one batch.
    ///
    /// # Errors
    /// [`EngineError::NoGpu`] if the adapter has no timestamps, or whatever the device reported.
    pub async fn profile_prefill(&mut self, tokens: u32, runs: usize) -> Result<Profile> {
        self.profile_kernels(Profiled::Prefill(tokens), runs).await
    }

    /// As [`Model::profile_prefill`], of a few tokens that are computed at once as a draft is verified, with their logits.
    ///
    /// # Errors
    /// [`EngineError::NoGpu`] if the adapter has no timestamps, or whatever the device reported.
    pub async fn profile_step(&mut self, tokens: u32, runs: usize) -> Result<Profile> {
        self.profile_kernels(Profiled::Step(tokens), runs).await
    }

    async fn profile_kernels(&mut self, what: Profiled, runs: usize) -> Result<Profile> {
        let profile = self.decoder.profile(what, self.sequences.len(), runs).await;
        if !self.decoder.layout().keeps_all() {
            // The kernels have advanced the state, or overwritten rows of a window.
            self.reset();
        }
        profile
    }

    /// Checks that this many more tokens fit.
    pub(super) fn check_room(&self, tokens: usize) -> Result<()> {
        let (prompt_tokens, context_tokens) = (self.sequences.len() + tokens, self.context as usize);
        if prompt_tokens > context_tokens {
            return Err(EngineError::ContextOverflow { prompt_tokens, context_tokens });
        }
        Ok(())
    }

    pub(super) fn check_tokens(&self, tokens: &[u32]) -> Result<()> {
        match tokens.iter().find(|token| **token >= self.config.vocab) {
            Some(token) => Err(EngineError::Tokenizer(format!("the token {token} is not in the vocabulary"))),
            None => Ok(()),
        }
    }
}

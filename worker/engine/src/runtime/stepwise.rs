//! An answer token by token, for what the host has a say in: grammars, logit processors, log probabilities.
//!
//! A step is two submissions. [`Stepwise::begin`] starts the forward pass; while the GPU computes, the host finds out which
//! tokens are allowed; [`Stepwise::choose`] submits the sampler and waits for the token.

use super::buffers::SAMPLING_SWITCHES;
use super::gpu::Gpu;
use super::model::Model;
use crate::error::Result;

/// An answer under way, one token at a time. Dropping it stops it.
pub struct Stepwise<'m> {
    model: &'m mut Model,
    /// The token given last: it is cached when the next is computed.
    last: u32,
    has_begun: bool,
}

/// A token with what it was chosen from.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The token.
    pub token: u32,
    /// The model's own logits before bias, penalties and temperature, if they were asked for: `[vocab]`.
    pub logits: Option<Vec<f32>>,
}

impl<'m> Stepwise<'m> {
    pub(super) fn new(model: &'m mut Model, last: u32) -> Self {
        Self { model, last, has_begun: false }
    }

    /// Starts to compute the next logits, without waiting for them. `false` if the context is full.
    pub fn begin(&mut self) -> bool {
        if self.model.cached.len() >= self.model.context_tokens() as usize {
            return false;
        }
        let program = self.model.decode_program(self.model.cached.len());
        self.model.submit(|pass| program.iter().for_each(|dispatch| dispatch.encode(pass, 1)));
        self.model.cached.push(self.last);
        self.has_begun = true;
        true
    }

    /// The logits that [`Stepwise::begin`] computes: `[vocab]`.
    ///
    /// # Errors
    /// Whatever the GPU reported.
    pub async fn logits(&mut self) -> Result<Vec<f32>> {
        let len_bytes = u64::from(self.model.config().vocab) * 4;
        self.model.gpu.read_buffer(&self.model.buffers.logits, len_bytes).await
    }

    /// Puts other logits in their place: `[vocab]`.
    pub fn set_logits(&mut self, logits: &[f32]) {
        debug_assert_eq!(logits.len(), self.model.config().vocab as usize);
        self.model.gpu.queue().write_buffer(&self.model.buffers.logits, 0, bytemuck::cast_slice(logits));
    }

    /// Chooses the next token, among those whose bit is set in `allowed` if there is one.
    ///
    /// # Errors
    /// Whatever the GPU reported.
    pub async fn choose(&mut self, allowed: Option<&[u32]>, wants_logits: bool) -> Result<Step> {
        debug_assert!(std::mem::take(&mut self.has_begun), "`begin` comes first");
        let model = &mut *self.model;
        let queue = model.gpu.queue();
        if let Some(allowed) = allowed {
            let words = model.config().vocab.div_ceil(32) as usize;
            queue.write_buffer(&model.buffers.allowed, 0, bytemuck::cast_slice(&allowed[..words.min(allowed.len())]));
        }
        let uses_allowed = u32::from(allowed.is_some());
        queue.write_buffer(&model.buffers.sampling, SAMPLING_SWITCHES, bytemuck::bytes_of(&uses_allowed));

        let logits_bytes = if wants_logits { u64::from(model.config().vocab) * 4 } else { 0 };
        let staging = model.gpu.staging_buffer(logits_bytes + 4);
        let mut encoder = model.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        if wants_logits {
            // Before the sampler changes them in place.
            encoder.copy_buffer_to_buffer(&model.buffers.logits, 0, &staging, 0, logits_bytes);
        }
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            model.sampler.iter().for_each(|dispatch| dispatch.encode(&mut pass, 1));
        }
        encoder.copy_buffer_to_buffer(&model.buffers.next_id, 0, &staging, logits_bytes, 4);
        let submission = queue.submit([encoder.finish()]);
        let words = Self::read(&model.gpu, staging, logits_bytes + 4, submission).await?;
        let Some((token, logits)) = words.split_last() else { unreachable!("the token was asked for") };
        self.last = *token;
        let logits = wants_logits.then(|| logits.iter().copied().map(f32::from_bits).collect());
        Ok(Step { token: *token, logits })
    }

    async fn read(
        gpu: &Gpu,
        staging: wgpu::Buffer,
        len_bytes: u64,
        submission: wgpu::SubmissionIndex,
    ) -> Result<Vec<u32>> {
        let (words, _) = gpu.read(staging, len_bytes, submission).finish::<u32>(gpu).await?;
        Ok(words)
    }
}

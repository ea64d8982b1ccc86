//! An answer token by token, for what the host has a say in: grammars, logit processors, log probabilities.
//!
//! On a GPU a step is two submissions. [`Stepwise::begin`] starts the forward pass; while the GPU computes, the host finds out
//! which tokens are allowed; [`Stepwise::choose`] submits the sampler and waits for the token.

use super::buffers::SAMPLING_SWITCHES;
use super::gpu_model::GpuModel;
use super::model::{Compute, Model};
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

    /// Starts to compute the next logits; on a GPU without waiting for them. `false` if the context is full.
    ///
    /// # Errors
    /// Whatever the device reported.
    pub async fn begin(&mut self) -> Result<bool> {
        let position = self.model.cached.len();
        if position >= self.model.context_tokens() as usize {
            return Ok(false);
        }
        match &mut self.model.compute {
            Compute::Gpu(model) => model.submit_decode(position)?,
            Compute::Cpu(model) => {
                model.decode(position, self.last).await?;
            }
        }
        self.model.cached.push(self.last);
        self.has_begun = true;
        Ok(true)
    }

    /// The logits that [`Stepwise::begin`] computes: `[vocab]`.
    ///
    /// # Errors
    /// Whatever the device reported.
    pub async fn logits(&mut self) -> Result<Vec<f32>> {
        match &mut self.model.compute {
            Compute::Gpu(model) => model.read_logits().await,
            Compute::Cpu(model) => Ok(model.logits().clone()),
        }
    }

    /// Puts other logits in their place: `[vocab]`.
    pub fn set_logits(&mut self, logits: &[f32]) {
        debug_assert_eq!(logits.len(), self.model.config().vocab as usize);
        match &mut self.model.compute {
            Compute::Gpu(model) => {
                model.gpu.queue().write_buffer(&model.buffers.logits, 0, bytemuck::cast_slice(logits));
            }
            Compute::Cpu(model) => model.logits().copy_from_slice(logits),
        }
    }

    /// Chooses the next token, among those whose bit is set in `allowed` if there is one.
    ///
    /// # Errors
    /// Whatever the device reported.
    pub async fn choose(&mut self, allowed: Option<&[u32]>, wants_logits: bool) -> Result<Step> {
        let has_begun = std::mem::take(&mut self.has_begun);
        debug_assert!(has_begun, "`begin` comes first");
        let step = match &mut self.model.compute {
            Compute::Gpu(model) => model.choose(allowed, wants_logits).await?,
            Compute::Cpu(model) => {
                let token = model.choose(allowed);
                Step { token, logits: wants_logits.then(|| model.logits().clone()) }
            }
        };
        self.last = step.token;
        Ok(step)
    }
}

impl GpuModel {
    async fn choose(&self, allowed: Option<&[u32]>, wants_logits: bool) -> Result<Step> {
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
}

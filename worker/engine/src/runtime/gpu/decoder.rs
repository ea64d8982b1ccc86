//! A generative model on the GPU: its dispatches and buffers. `backend.rs` implements the `Decoder` trait for it.

use std::collections::HashMap;
use std::sync::Arc;

use super::answer::Answer;
use super::buffers::{Buffers, SAMPLING_SWITCHES, State, prefill_batch};
use super::forward::{ForwardBuilder, Layout};
use super::memory::Copy;
use super::programs::Programs;
use super::weights::Weights;
use crate::error::Result;
use crate::models::{ModelConfig, ModelPlan, Position, RopeAngles};
use crate::runtime::backend::Batch;
use crate::runtime::device::{Dispatch, Gpu};
use crate::runtime::memory::Copies;

/// Dispatches and buffers of a generative model.
pub(in crate::runtime) struct GpuDecoder {
    pub(super) gpu: Gpu,
    pub(super) vocab: u32,
    pub(super) buffers: Buffers,
    angles: RopeAngles,
    pub(super) config: ModelConfig,
    pub(super) plan: ModelPlan,
    /// Also keeps the buffers alive that the dispatches' bind groups use in a browser.
    pub(super) weights: Arc<Weights>,
    pub(super) programs: Programs,
    pub(super) sampler: [Dispatch; 2],
    /// The answer in progress.
    pub(super) answer: Answer,
    /// Copies of parts of sequences.
    pub(super) copies: Copies<Copy>,
    /// Number of tokens that the state of recurrent layers has seen.
    pub(super) state_len: usize,
    /// Maximum number of tokens in a batch.
    pub(super) max_batch: u32,
    /// Seconds per prompt token in the previous batch.
    pub(super) seconds_per_token: Option<f64>,
}

impl GpuDecoder {
    /// Allocates buffers for `context` positions.
    pub(in crate::runtime) fn new(
        gpu: &Gpu,
        (config, plan): (&ModelConfig, &ModelPlan),
        context: u32,
        weights: Arc<Weights>,
        host: &HashMap<String, Vec<f32>>,
    ) -> Self {
        let tuning = gpu.tuning();
        let angles = RopeAngles::new(config, context, host);
        let buffers = Buffers::new(gpu, config, context, &angles);
        let layout = Layout::batch(tuning.prefill);
        let builder = ForwardBuilder { gpu, config, plan, weights: &weights, buffers: &buffers, layout };
        let sampler = builder.sampler();
        Self {
            gpu: gpu.clone(),
            vocab: config.vocab,
            buffers,
            angles,
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

    /// Waits until the GPU is idle.
    pub(super) async fn wait(&self) -> Result<()> {
        self.gpu.read_buffer::<u32>(&self.buffers.state, size_of::<State>() as u64).await?;
        Ok(())
    }

    /// Runs the layers on `batch`, and the output head if `with_logits`. Returns the number of its positions.
    pub(super) fn submit_batch(&mut self, position: usize, batch: Batch<'_>, with_logits: bool) -> Result<usize> {
        let head = if with_logits { self.prefill_head()? } else { &[] };
        let (embed, layers, len) = match batch {
            Batch::Tokens(ids) => {
                self.feed_batch(position, 0, ids);
                (self.embed_program()?, self.prefill_program(false)?, ids.len())
            }
            Batch::Embeddings { rows, deepstack, two_way } => {
                let len = rows.len() / self.config.embedding_len as usize;
                self.write_state(position, len as u32, 0);
                self.gpu.queue().write_buffer(&self.buffers.hidden, 0, bytemuck::cast_slice(rows));
                if self.plan.layer_inputs.is_some() {
                    // Embeddings have the layers' inputs of the padding token.
                    self.gpu.queue().write_buffer(&self.buffers.prompt_ids, 0, &vec![0; 4 * len]);
                }
                let layers = if deepstack.is_empty() {
                    self.prefill_program(two_way)?
                } else {
                    self.gpu.queue().write_buffer(&self.buffers.deepstack, 0, bytemuck::cast_slice(deepstack));
                    self.deepstack_program(two_way)?
                };
                (&[][..], layers, len)
            }
        };
        debug_assert!(len <= self.max_batch as usize, "the buffers have room for them");
        let program = embed.iter().chain(layers).chain(head);
        self.submit(|pass| program.for_each(|dispatch| dispatch.encode(pass, len as u32)));
        self.state_len = position + len;
        Ok(len)
    }

    /// Writes the angles of a sequence, see [`Decoder::set_positions`](crate::runtime::backend::Decoder::set_positions).
    pub(super) fn write_angles(&self, positions: &[Position], next: u32) {
        let (rows, window_rows) = self.angles.rows(positions, next);
        let queue = self.gpu.queue();
        queue.write_buffer(&self.buffers.rope, 0, bytemuck::cast_slice(&rows));
        if let Some(rows) = window_rows {
            queue.write_buffer(&self.buffers.window_rope, 0, bytemuck::cast_slice(&rows));
        }
    }

    /// Submits layers and head for the token in `next_id`.
    pub(super) fn submit_decode(&mut self, position: usize) -> Result<()> {
        let program = self.decode_program(position)?;
        self.submit(|pass| program.iter().for_each(|dispatch| dispatch.encode(pass, 1)));
        self.state_len = position + 1;
        Ok(())
    }

    /// Reads the logits of one token: `[vocab]`.
    pub(super) async fn read_logits(&self) -> Result<Vec<f32>> {
        self.gpu.read_buffer(&self.buffers.logits, u64::from(self.vocab) * 4).await
    }

    /// Writes the sampler's buffers for an answer. `history` has an entry for each token of the vocabulary.
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

    /// Sets the next token to decode: `last` at `position`, as step `step` of the answer.
    pub(super) fn feed(&self, position: usize, step: usize, last: u32) {
        self.gpu.queue().write_buffer(&self.buffers.next_id, 0, bytemuck::bytes_of(&last));
        self.write_state(position, 1, step);
    }

    /// Sets the next batch: its tokens start at `position` and at step `step` of the answer.
    pub(super) fn feed_batch(&self, position: usize, step: usize, batch: &[u32]) {
        self.write_state(position, batch.len() as u32, step);
        self.gpu.queue().write_buffer(&self.buffers.prompt_ids, 0, bytemuck::cast_slice(batch));
    }

    /// Encodes one compute pass and submits it.
    pub(super) fn submit(&self, encode: impl FnOnce(&mut wgpu::ComputePass<'_>)) {
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
        self.gpu.queue().submit([encoder.finish()]);
    }

    /// Sets position, number of tokens and step of the next batch.
    pub(super) fn write_state(&self, position: usize, token_count: u32, step: usize) {
        let state = State { position: position as u32, token_count, step: step as u32, row: 0 };
        self.gpu.queue().write_buffer(&self.buffers.state, 0, bytemuck::bytes_of(&state));
    }
}

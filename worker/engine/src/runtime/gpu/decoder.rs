//! A generative model on the GPU: its dispatches and buffers. `backend.rs` implements the `Decoder` trait for it.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::answer::Answer;
use super::buffers::{Buffers, State, prefill_batch};
use super::layer_memory::{Copy, Reach};
use super::seat::Seat;
use super::weights::Weights;
use crate::error::Result;
use crate::models::{ModelConfig, ModelPlan, Position, RopeAngles};
use crate::runtime::backend::{Batch, SequenceToken};
use crate::runtime::device::{Dispatch, Gpu};
use crate::runtime::memory::{Copies, Room};

/// Layouts that a step of several tokens may have: with 1, 2, 4, 8 or 16 tokens per thread, and that of batches.
pub(super) const STEP_LAYOUTS: usize = 6;

/// Dispatches by purpose, each created on first use (`programs.rs`).
#[derive(Default)]
pub(super) struct Programs {
    /// The embedding of a batch of prompt tokens.
    pub(super) embed: OnceCell<Vec<Dispatch>>,
    /// The layers for a batch: with causal attention, and with attention in both directions.
    pub(super) prefill: [OnceCell<Vec<Dispatch>>; 2],
    /// The same with causal attention for so few tokens that experts' products have another layout: that for single
    /// tokens, and that of narrow tiles.
    pub(super) few: [OnceCell<Vec<Dispatch>>; 2],
    /// The same for embeddings that are also added to the results of the first layers.
    pub(super) deepstack: [OnceCell<Vec<Dispatch>>; 2],
    /// The norm before the output head, for such a batch in an embedding model.
    pub(super) output_norm: OnceCell<Vec<Dispatch>>,
    /// The output head for such a batch.
    pub(super) prefill_head: OnceCell<Vec<Dispatch>>,
    /// Layers and head for one token, by index of
    /// [`Tuning::attention_splits`](crate::runtime::Tuning::attention_splits).
    pub(super) decode: [OnceCell<Vec<Dispatch>>; 3],
    /// Layers and head for a few tokens, to verify drafts, by layout.
    pub(super) verification: [OnceCell<Vec<Dispatch>>; STEP_LAYOUTS],
    /// The same for a token of each of several sequences.
    pub(super) each: [OnceCell<Vec<Dispatch>>; STEP_LAYOUTS],
}

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
    /// The samplers of answers that are computed together, by sequence.
    pub(super) seats: Vec<Option<Seat>>,
    /// Copies of parts of sequences.
    pub(super) copies: Copies<Copy>,
    /// How much of each sequence the layers hold.
    pub(super) reaches: Vec<Reach>,
    /// Index of the selected sequence.
    pub(super) selected: usize,
    /// Maximum number of tokens in a batch.
    pub(super) max_batch: u32,
    /// Seconds per prompt token in the previous batch.
    pub(super) seconds_per_token: Option<f64>,
}

impl GpuDecoder {
    /// Allocates the buffers.
    pub(in crate::runtime) fn new(
        gpu: &Gpu,
        (config, plan): (&ModelConfig, &ModelPlan),
        room: Room,
        weights: Arc<Weights>,
        host: &HashMap<String, Vec<f32>>,
    ) -> Self {
        let tuning = gpu.tuning();
        let angles = RopeAngles::new(config, room.context, host);
        let buffers = Buffers::new(gpu, config, room, &angles);
        let sampler = buffers.sampler.dispatches(gpu, &buffers.logits, &buffers.state);
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
            seats: (0..room.sequences).map(|_| None).collect(),
            copies: Copies::default(),
            reaches: vec![Reach::default(); room.sequences as usize],
            selected: 0,
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
                (self.embed_program()?, self.prompt_program(ids.len())?, ids.len())
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
        self.advance(position, position + len);
        Ok(len)
    }

    /// Writes the angles of a sequence, see [`Decoder::set_positions`](crate::runtime::backend::Decoder::set_positions).
    pub(super) fn write_angles(&self, positions: &[Position], next: u32) {
        let (rows, window_rows) = self.angles.rows(positions, next);
        let write = |buffer, rows: &[[f32; 2]]| {
            let at = self.selected * size_of_val(rows);
            self.gpu.queue().write_buffer(buffer, at as u64, bytemuck::cast_slice(rows));
        };
        write(&self.buffers.rope, &rows);
        if let Some(rows) = window_rows {
            write(&self.buffers.window_rope, &rows);
        }
    }

    /// Submits layers and head for the token in `next_id`.
    pub(super) fn submit_decode(&mut self, position: usize) -> Result<()> {
        let program = self.decode_program(position)?;
        self.submit(|pass| program.iter().for_each(|dispatch| dispatch.encode(pass, 1)));
        self.advance(position, position + 1);
        Ok(())
    }

    /// Reads the logits of this row: `[vocab]`.
    pub(super) async fn read_logits(&self, row: usize) -> Result<Vec<f32>> {
        let row_bytes = u64::from(self.vocab) * 4;
        self.gpu.read_range(&self.buffers.logits, row as u64 * row_bytes, row_bytes).await
    }

    /// Sets the next token to decode: `last` at `position`, as step `step` of the answer.
    pub(super) fn feed(&self, position: usize, step: usize, last: u32) {
        self.gpu.queue().write_buffer(&self.buffers.sampler.next_id, 0, bytemuck::bytes_of(&last));
        self.write_state(position, 1, step);
    }

    /// Sets the next batch: its tokens start at `position` and at step `step` of the answer.
    pub(super) fn feed_batch(&self, position: usize, step: usize, batch: &[u32]) {
        self.write_state(position, batch.len() as u32, step);
        self.gpu.queue().write_buffer(&self.buffers.prompt_ids, 0, bytemuck::cast_slice(batch));
    }

    /// Sets the next batch: a token of each of several sequences.
    pub(super) fn feed_each(&self, tokens: &[SequenceToken]) {
        let ids: Vec<u32> = tokens.iter().map(|token| token.id).collect();
        // With a single sequence there is one token, and it has the batch's position.
        self.feed_batch(tokens.first().map_or(0, |token| token.position), 0, &ids);
        let place = |token: &SequenceToken| [token.sequence as u32, token.position as u32, 0, 0];
        self.write_places(&tokens.iter().map(place).collect::<Vec<_>>());
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
        if self.buffers.sequences > 1 {
            self.write_places(&[[self.selected as u32, 0, 0, 0]]);
        }
    }

    /// Writes sequence and position of the first tokens of the next batch.
    fn write_places(&self, places: &[[u32; 4]]) {
        let at = size_of::<State>() as u64;
        self.gpu.queue().write_buffer(&self.buffers.state, at, bytemuck::cast_slice(places));
    }
}

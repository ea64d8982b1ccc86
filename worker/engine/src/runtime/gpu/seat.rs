//! What samples the tokens of an answer that is computed together with others.

use super::buffers::State;
use super::sampler::SamplerBuffers;
use crate::runtime::backend::AnswerStart;
use crate::runtime::device::{Dispatch, Gpu};

/// The sampler of an answer that is computed together with others.
pub(super) struct Seat {
    pub(super) buffers: SamplerBuffers,
    /// [`State`], of which the sampler reads and advances step and row.
    state: wgpu::Buffer,
    pub(super) dispatches: [Dispatch; 2],
    /// Number of the next step.
    step: usize,
}

impl Seat {
    /// Allocates the buffers; the sampler reads a row of `logits`.
    pub(super) fn new(gpu: &Gpu, vocab: u32, logits: &wgpu::Buffer) -> Self {
        let buffers = SamplerBuffers::new(gpu, vocab);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::UNIFORM;
        let state = gpu.buffer("state of a sampler", size_of::<State>() as u64, usage);
        let dispatches = buffers.dispatches(gpu, logits, &state);
        Self { buffers, state, dispatches, step: 0 }
    }

    /// Starts an answer.
    pub(super) fn begin(&mut self, gpu: &Gpu, start: &AnswerStart<'_>) {
        self.buffers.begin(gpu, start.plan, &start.history);
        // A resumed answer continues its sequence of random draws.
        self.step = start.plan.generated;
    }

    /// Prepares a choice from this row of the logits.
    pub(super) fn prepare(&mut self, gpu: &Gpu, row: usize, allowed: Option<&[u32]>) {
        self.buffers.restrict(gpu, allowed);
        let state = State { position: 0, token_count: 1, step: self.step as u32, row: row as u32 };
        gpu.queue().write_buffer(&self.state, 0, bytemuck::bytes_of(&state));
        self.step += 1;
    }
}

//! The sampler of an answer: what it reads and writes beside the logits, and its dispatches.

use crate::kernels::Grid;
use crate::kernels::sampling::{RING_LEN, chunk_count, logit_scan, sample};
use crate::runtime::device::{Dispatch, Gpu};
use crate::sampling::{SamplingParams, SamplingPlan};

/// Offset in bytes of the two switches in the sampling buffer, in the layout of `kernels/sampling/sampling.wgsl`.
const SWITCHES: u64 = size_of::<SamplingParams>() as u64;
/// Size of the sampling buffer in bytes.
const SAMPLING_BYTES: u64 = SWITCHES + 16;

/// Buffers of one answer's sampler.
pub(super) struct SamplerBuffers {
    /// [`SamplingParams`], then the switches: whether `allowed` and `bias` are used.
    sampling: wgpu::Buffer,
    /// One bit per token: whether it may be chosen.
    allowed: wgpu::Buffer,
    /// Added to logits: `[vocab]`.
    bias: wgpu::Buffer,
    /// History entry of each token: `[vocab]`, see [`IN_PROMPT`](crate::sampling::IN_PROMPT).
    history: wgpu::Buffer,
    /// Likeliest token of each chunk of the vocabulary.
    candidates: wgpu::Buffer,
    /// The token that was sampled last, which the next decode step embeds: `[1]`.
    pub next_id: wgpu::Buffer,
    /// Sampled tokens: `[RING_LEN]`.
    pub ring: wgpu::Buffer,
    vocab: u32,
}

impl SamplerBuffers {
    /// Allocates the buffers.
    pub(super) fn new(gpu: &Gpu, vocab: u32) -> Self {
        let words = |label, len: u32| gpu.storage_buffer(label, u64::from(len) * 4);
        Self {
            sampling: gpu.buffer("sampling", SAMPLING_BYTES, wgpu::BufferUsages::UNIFORM),
            allowed: words("allowed tokens", vocab.div_ceil(32)),
            bias: words("logit bias", vocab),
            history: words("history", vocab),
            candidates: words("candidates", 2 * chunk_count(vocab)),
            next_id: words("next id", 1),
            ring: words("ring", RING_LEN),
            vocab,
        }
    }

    /// Dispatches that sample from the row of `logits` that `state` names, and advance it.
    pub(super) fn dispatches(&self, gpu: &Gpu, logits: &wgpu::Buffer, state: &wgpu::Buffer) -> [Dispatch; 2] {
        let scan = [
            ("sampling", &self.sampling),
            ("logits", logits),
            ("history", &self.history),
            ("candidates", &self.candidates),
            ("allowed", &self.allowed),
            ("bias", &self.bias),
            ("state", state),
        ];
        let choose = [
            ("sampling", &self.sampling),
            ("logits", logits),
            ("candidates", &self.candidates),
            ("state", state),
            ("next_id", &self.next_id),
            ("ring", &self.ring),
            ("history", &self.history),
        ];
        [
            Dispatch::new(gpu, &logit_scan(self.vocab), &scan, Grid::Fixed([chunk_count(self.vocab), 1, 1])),
            Dispatch::new(gpu, &sample(self.vocab), &choose, Grid::Fixed([1, 1, 1])),
        ]
    }

    /// Starts an answer. `history` has an entry for each token of the vocabulary.
    pub(super) fn begin(&self, gpu: &Gpu, plan: &SamplingPlan<'_>, history: &[u32]) {
        let queue = gpu.queue();
        queue.write_buffer(&self.history, 0, bytemuck::cast_slice(history));
        queue.write_buffer(&self.sampling, 0, bytemuck::bytes_of(&plan.params));
        let switches = [0, u32::from(!plan.bias.is_empty())];
        queue.write_buffer(&self.sampling, SWITCHES, bytemuck::cast_slice(&switches));
        if !plan.bias.is_empty() {
            let mut bias = vec![0f32; self.vocab as usize];
            for (id, value) in plan.bias {
                bias[*id as usize] = *value;
            }
            queue.write_buffer(&self.bias, 0, bytemuck::cast_slice(&bias));
        }
    }

    /// Restricts the next choice to tokens whose bit is set in `allowed`, if given.
    pub(super) fn restrict(&self, gpu: &Gpu, allowed: Option<&[u32]>) {
        let queue = gpu.queue();
        if let Some(allowed) = allowed {
            let words = self.vocab.div_ceil(32) as usize;
            queue.write_buffer(&self.allowed, 0, bytemuck::cast_slice(&allowed[..words.min(allowed.len())]));
        }
        let uses_allowed = u32::from(allowed.is_some());
        queue.write_buffer(&self.sampling, SWITCHES, bytemuck::bytes_of(&uses_allowed));
    }

    /// Replaces the history entry of a token.
    pub(super) fn set_seen(&self, gpu: &Gpu, id: u32, seen: u32) {
        gpu.queue().write_buffer(&self.history, u64::from(id) * 4, bytemuck::bytes_of(&seen));
    }
}

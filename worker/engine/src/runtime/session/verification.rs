//! Several tokens verified at once: what the model chooses after each of them, as if all of them were right.

use super::cpu::CpuModel;
use super::generation::ring_room;
use super::gpu_model::GpuModel;
use crate::error::Result;

/// Tokens that share the work of reading weights on the CPU.
const MOST_ON_CPU: usize = 4;

impl GpuModel {
    /// Most tokens of [`GpuModel::choices`] at this step of an answer.
    pub(super) fn most_choices(&self, step: usize) -> usize {
        self.most_few().min(ring_room(step))
    }

    /// Feeds `ids`, the first at `position`, and chooses a token after each of them, beginning with the answer's step `step`.
    /// [`GpuModel::go_on`] must follow.
    pub(super) async fn choices(&mut self, position: usize, step: usize, ids: &[u32]) -> Result<Vec<u32>> {
        debug_assert!(ids.len() <= self.most_choices(step), "there is room for as many");
        let layers = self.few_program()?;
        self.feed_batch(position, step, ids);
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            for dispatch in layers {
                dispatch.encode(&mut pass, ids.len() as u32);
            }
            for _ in ids {
                self.sampler.iter().for_each(|dispatch| dispatch.encode(&mut pass, 1));
            }
        }
        let readback = self.submit_steps(encoder, step, ids.len());
        self.chosen(readback, ids.len()).await
    }

    /// Goes on with the answer's step `step`, which is fed `last` at `position`. `seen` tells what was seen of each token that was chosen
    /// in vain.
    pub(super) fn go_on(&self, position: usize, step: usize, last: u32, seen: impl Iterator<Item = (u32, u32)>) {
        for (id, seen) in seen {
            self.gpu.queue().write_buffer(&self.buffers.history, u64::from(id) * 4, bytemuck::bytes_of(&seen));
        }
        self.feed(position, step, last);
    }
}

impl CpuModel {
    /// Most tokens of [`CpuModel::choices`].
    pub(super) fn most_choices(&self) -> usize {
        MOST_ON_CPU.min(self.batch_len())
    }

    /// Feeds `ids`, the first at `position`, and chooses a token after each of them, up to the first choice that is not the next of them.
    pub(super) async fn choices(&mut self, position: usize, ids: &[u32]) -> Result<Vec<u32>> {
        let logits = self.batch_logits(position, ids).await?;
        let mut tokens = Vec::with_capacity(ids.len());
        for (index, row) in logits.chunks_exact(logits.len() / ids.len()).enumerate() {
            let token = self.choose_by(row);
            tokens.push(token);
            if ids.get(index + 1) != Some(&token) {
                break;
            }
        }
        Ok(tokens)
    }
}

//! Several tokens verified at once: what the model chooses after each of them, as if all of them were right.

use super::buffers::State;
use super::cpu::CpuModel;
use super::gpu_model::GpuModel;
use crate::error::Result;
use crate::kernels::sampling::RING_LEN;

/// Tokens that share the work of reading weights on the CPU.
const MOST_ON_CPU: usize = 4;

impl GpuModel {
    /// Most tokens of [`GpuModel::choices`] at this step of an answer: their results lie beside each other in the ring.
    pub(super) fn most_choices(&self, step: usize) -> usize {
        self.most_few().min(RING_LEN as usize - step % RING_LEN as usize)
    }

    /// Feeds `ids`, the first at `position`, and chooses a token after each of them, beginning with the answer's step `step`.
    /// [`GpuModel::go_on`] must follow.
    pub(super) async fn choices(&mut self, position: usize, step: usize, ids: &[u32]) -> Result<Vec<u32>> {
        debug_assert!(ids.len() <= self.most_choices(step), "there are logits and places for as many");
        self.prepare_few()?;
        let (count, len_bytes) = (ids.len() as u32, ids.len() as u64 * 4);
        let queue = self.gpu.queue();
        let state = State { position: position as u32, token_count: count, step: step as u32, row: 0 };
        queue.write_buffer(&self.buffers.state, 0, bytemuck::bytes_of(&state));
        queue.write_buffer(&self.buffers.prompt_ids, 0, bytemuck::cast_slice(ids));
        let staging = self.staging.take(&self.gpu);
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            self.few_program().iter().for_each(|dispatch| dispatch.encode(&mut pass, count));
            for _ in ids {
                self.sampler.iter().for_each(|dispatch| dispatch.encode(&mut pass, 1));
            }
        }
        let ring_start = (step % RING_LEN as usize) as u64 * 4;
        encoder.copy_buffer_to_buffer(&self.buffers.ring, ring_start, &staging, 0, len_bytes);
        let submission = self.gpu.queue().submit([encoder.finish()]);
        let (mut tokens, staging) = self.gpu.read(staging, len_bytes, submission).finish::<u32>(&self.gpu).await?;
        self.staging.give(staging);
        tokens.truncate(ids.len());
        Ok(tokens)
    }

    /// Goes on with the answer's step `step`, which is fed `last` at `position`. `seen` tells what was seen of each token that was chosen
    /// in vain.
    pub(super) fn go_on(&self, position: usize, step: usize, last: u32, seen: impl Iterator<Item = (u32, u32)>) {
        let queue = self.gpu.queue();
        for (id, seen) in seen {
            queue.write_buffer(&self.buffers.history, u64::from(id) * 4, bytemuck::bytes_of(&seen));
        }
        queue.write_buffer(&self.buffers.next_id, 0, bytemuck::bytes_of(&last));
        let state = State { position: position as u32, token_count: 1, step: step as u32, row: 0 };
        queue.write_buffer(&self.buffers.state, 0, bytemuck::bytes_of(&state));
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

//! Keys and values of other conversations, kept beside the cache: who comes back to one waits for its new tokens only.

use std::collections::VecDeque;

use super::cpu::CpuModel;
use super::gpu::Gpu;
use super::gpu_model::GpuModel;
use super::model::{Compute, Model};
use crate::error::{EngineError, Result};
use crate::models::ModelConfig;

/// Tokens that are worth a copy.
const MIN_TOKENS: usize = 32;
/// The most bytes on a GPU: what every adapter takes as one buffer.
const MAX_GPU_BYTES: u64 = 256 << 20;
/// The most bytes in the memory of a wasm module, which has 4 GiB for everything.
const MAX_CPU_BYTES: u64 = 128 << 20;

/// The conversations of one model that wait, the one left last at the end.
pub(super) struct Parked {
    sequences: VecDeque<Sequence>,
    /// Bytes of all of them at most.
    budget_bytes: u64,
}

/// A conversation that waits.
struct Sequence {
    tokens: Vec<u32>,
    rows: Rows,
    len_bytes: u64,
}

/// For each layer the keys of all tokens, then their values.
enum Rows {
    Gpu(GpuRows),
    Cpu(Vec<[Vec<u8>; 2]>),
}

/// A buffer that is given back at once, not when the browser comes to it.
struct GpuRows(wgpu::Buffer);

impl Drop for GpuRows {
    fn drop(&mut self) {
        self.0.destroy();
    }
}

impl Parked {
    /// None yet. Together they take as much as a cache of `context` tokens, at most.
    pub(super) fn new(context: u32, config: &ModelConfig, is_cpu: bool) -> Self {
        // Halves on a GPU, whole floats on the CPU.
        let (factor, most) = if is_cpu { (2, MAX_CPU_BYTES) } else { (1, MAX_GPU_BYTES) };
        let cache_bytes = factor * u64::from(context) * config.kv_bytes_per_token();
        Self { sequences: VecDeque::new(), budget_bytes: cache_bytes.min(most) }
    }

    pub(super) fn clear(&mut self) {
        self.sequences.clear();
    }

    /// The sequence that shares the longest beginning with `prompt`, and how many tokens that has.
    fn nearest(&self, prompt: &[u32]) -> Option<(usize, usize)> {
        let shared = |(index, sequence): (usize, &Sequence)| (index, shared_len(&sequence.tokens, prompt));
        self.sequences.iter().enumerate().map(shared).max_by_key(|(_, len)| *len)
    }

    /// Makes room for so many bytes, if there can be, by forgetting those that wait longest.
    fn make_room(&mut self, len_bytes: u64) -> bool {
        while self.sequences.iter().map(|sequence| sequence.len_bytes).sum::<u64>() + len_bytes > self.budget_bytes {
            if self.sequences.pop_front().is_none() {
                return false;
            }
        }
        true
    }
}

/// How many tokens two sequences have in common at their beginnings.
pub(super) fn shared_len(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

impl Model {
    /// How many of `prompt`'s first tokens a conversation that waits has in its rows.
    pub(super) fn parked_prefix_len(&self, prompt: &[u32]) -> usize {
        self.parked.nearest(prompt).map_or(0, |(_, len)| len)
    }

    /// Makes the cache begin as much like `prompt` as any conversation that is known; what it held waits from now on.
    pub(super) async fn switch_to(&mut self, prompt: &[u32]) {
        let here = shared_len(&self.cached, prompt);
        let best = self.parked.nearest(prompt).filter(|(_, there)| *there >= here + MIN_TOKENS);
        // Taken out first, so that making room for the other does not lose it.
        let next = best.and_then(|(index, there)| Some((self.parked.sequences.remove(index)?, there)));
        if self.cached.len() >= here + MIN_TOKENS {
            self.park().await;
        }
        let Some((sequence, len)) = next else { return };
        match (&mut self.compute, &sequence.rows) {
            (Compute::Gpu(model), Rows::Gpu(rows)) => model.copy_rows(&rows.0, sequence.tokens.len(), len, false),
            (Compute::Cpu(model), Rows::Cpu(rows)) => model.put_rows(rows, len),
            _ => unreachable!("a model stays on its device"),
        }
        self.cached = sequence.tokens;
        self.cached.truncate(len);
    }

    /// Keeps a copy of what the cache holds, if there is room.
    async fn park(&mut self) {
        let tokens = self.cached.clone();
        // The beginnings of this one have nothing that it lacks.
        self.parked.sequences.retain(|sequence| !tokens.starts_with(&sequence.tokens));
        let len_bytes = tokens.len() as u64 * self.token_bytes();
        if !self.parked.make_room(len_bytes) {
            return;
        }
        let rows = match &self.compute {
            Compute::Gpu(model) => model.take_rows(tokens.len(), len_bytes).await.map(Rows::Gpu),
            Compute::Cpu(model) => model.take_rows(tokens.len()).map(Rows::Cpu),
        };
        if let Ok(rows) = rows {
            self.parked.sequences.push_back(Sequence { tokens, rows, len_bytes });
        } else {
            // This device has no memory to spare: better to keep nothing than to try each time.
            self.parked.clear();
            self.parked.budget_bytes = 0;
        }
    }
}

impl GpuModel {
    /// A copy of the first rows of each layer's cache.
    async fn take_rows(&self, tokens: usize, len_bytes: u64) -> Result<GpuRows> {
        let rows = checked_buffer(&self.gpu, len_bytes).await?;
        self.copy_rows(&rows.0, tokens, tokens, true);
        Ok(rows)
    }

    /// Copies the first `tokens` rows of each layer from the cache to `rows`, which has room for `room` a layer, or back.
    fn copy_rows(&self, rows: &wgpu::Buffer, room: usize, tokens: usize, is_out: bool) {
        let half_bytes = rows.size() / (2 * self.buffers.kv.len() as u64);
        let len_bytes = half_bytes / room as u64 * tokens as u64;
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let halves = self.buffers.kv.iter().flat_map(|kv| [(kv, 0), (kv, u64::from(self.buffers.value_offset) * 4)]);
        for (index, (kv, start)) in (0..).zip(halves) {
            let at: u64 = index * half_bytes;
            if is_out {
                encoder.copy_buffer_to_buffer(kv, start, rows, at, len_bytes);
            } else {
                encoder.copy_buffer_to_buffer(rows, at, kv, start, len_bytes);
            }
        }
        self.gpu.queue().submit([encoder.finish()]);
    }
}

/// A buffer, or an error where there is no memory for it.
async fn checked_buffer(gpu: &Gpu, len_bytes: u64) -> Result<GpuRows> {
    let scope = gpu.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let rows = GpuRows(gpu.storage_buffer("parked rows", len_bytes));
    match scope.pop().await {
        Some(error) => Err(EngineError::OutOfMemory(error.to_string())),
        None => Ok(rows),
    }
}

impl CpuModel {
    /// A copy of the first rows of each layer's cache.
    fn take_rows(&self, tokens: usize) -> Result<Vec<[Vec<u8>; 2]>> {
        let copy = |bytes: &[u8]| {
            let mut copy = Vec::new();
            copy.try_reserve_exact(bytes.len()).map_err(|error| EngineError::OutOfMemory(error.to_string()))?;
            copy.extend_from_slice(bytes);
            Ok(copy)
        };
        self.cache_bytes(tokens).map(|[keys, values]| Ok([copy(keys)?, copy(values)?])).collect()
    }

    /// Puts the first `tokens` of these rows in the place of what the cache holds.
    fn put_rows(&mut self, rows: &[[Vec<u8>; 2]], tokens: usize) {
        let len_bytes = tokens * self.row_bytes();
        for (layer, [keys, values]) in rows.iter().enumerate() {
            self.restore_layer(layer, [&keys[..len_bytes], &values[..len_bytes]]);
        }
    }
}

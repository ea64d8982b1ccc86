//! Keys and values of other conversations, kept beside the cache: who comes back to one waits for its new tokens only.

use std::collections::VecDeque;

use super::cpu::{CpuModel, reserved};
use super::gpu_model::GpuModel;
use super::loader::checked;
use super::model::{Compute, Model};
use crate::error::Result;

/// Tokens that are worth a copy.
const MIN_TOKENS: usize = 32;
/// The most bytes on a GPU: what every adapter takes as one buffer.
const MAX_GPU_BYTES: u64 = 256 << 20;
/// The most bytes in the memory of a wasm module, which has 4 GiB for everything.
const MAX_CPU_BYTES: u64 = 128 << 20;

/// The conversations of one model that wait.
#[derive(Default)]
pub(super) struct Parked {
    /// The one left last is at the end.
    sequences: VecDeque<Sequence>,
    /// The device had no memory for one.
    has_no_room: bool,
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
    pub(super) fn clear(&mut self) {
        self.sequences.clear();
    }

    /// The sequence that shares the longest beginning with `prompt`, and how many tokens that has.
    fn nearest(&self, prompt: &[u32]) -> Option<(usize, usize)> {
        let shared = |(index, sequence): (usize, &Sequence)| (index, shared_len(&sequence.tokens, prompt));
        self.sequences.iter().enumerate().map(shared).max_by_key(|(_, len)| *len)
    }

    /// Makes room for so many bytes of `budget_bytes`, if there can be, by forgetting those that wait longest.
    fn make_room(&mut self, len_bytes: u64, budget_bytes: u64) -> bool {
        while self.sequences.iter().map(|sequence| sequence.len_bytes).sum::<u64>() + len_bytes > budget_bytes {
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
        let len_bytes = len * self.cache_shape().1 as usize;
        match (&mut self.compute, &sequence.rows) {
            (Compute::Gpu(model), Rows::Gpu(rows)) => model.copy_rows(&rows.0, sequence.tokens.len(), len, false),
            (Compute::Cpu(model), Rows::Cpu(rows)) => model.put_rows(rows, len_bytes),
            _ => unreachable!("a model stays on its device"),
        }
        self.cached = sequence.tokens;
        self.cached.truncate(len);
    }

    /// Keeps a copy of what the cache holds, if there is room.
    async fn park(&mut self) {
        if self.parked.has_no_room {
            return;
        }
        let tokens = self.cached.clone();
        // The beginnings of this one have nothing that it lacks.
        self.parked.sequences.retain(|sequence| !tokens.starts_with(&sequence.tokens));
        // As much as the cache itself takes, at most.
        let most = if self.device.is_cpu() { MAX_CPU_BYTES } else { MAX_GPU_BYTES };
        let budget_bytes = most.min(u64::from(self.context) * self.token_bytes());
        let len_bytes = tokens.len() as u64 * self.token_bytes();
        if !self.parked.make_room(len_bytes, budget_bytes) {
            return;
        }
        let rows = match &self.compute {
            Compute::Gpu(model) => {
                let allocate = || Ok(GpuRows(model.gpu.storage_buffer("parked rows", len_bytes)));
                checked(&self.device, allocate).await.map(|rows| {
                    model.copy_rows(&rows.0, tokens.len(), tokens.len(), true);
                    Rows::Gpu(rows)
                })
            }
            Compute::Cpu(model) => model.take_rows(tokens.len()).map(Rows::Cpu),
        };
        if let Ok(rows) = rows {
            self.parked.sequences.push_back(Sequence { tokens, rows, len_bytes });
        } else {
            // This device has no memory to spare: better to keep nothing than to try each time.
            self.parked = Parked { has_no_room: true, ..Parked::default() };
        }
    }
}

impl GpuModel {
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

impl CpuModel {
    /// A copy of the first rows of each layer's cache.
    fn take_rows(&self, tokens: usize) -> Result<Vec<[Vec<u8>; 2]>> {
        let copy = |bytes: &[u8]| {
            let mut copy = reserved(bytes.len())?;
            copy.extend_from_slice(bytes);
            Ok(copy)
        };
        self.cache_bytes(tokens).map(|[keys, values]| Ok([copy(keys)?, copy(values)?])).collect()
    }

    /// Puts the first `len_bytes` of these keys and values in the place of what the cache holds.
    fn put_rows(&mut self, rows: &[[Vec<u8>; 2]], len_bytes: usize) {
        for (layer, [keys, values]) in rows.iter().enumerate() {
            self.restore_layer(layer, [&keys[..len_bytes], &values[..len_bytes]]);
        }
    }
}

//! The CPU implementation of [`Memory`]: buffers of the layers, and copies of them.

use async_trait::async_trait;

use super::attention::{LayerCache, MAX_SPARE_POSITIONS};
use super::decoder::CpuDecoder;
use super::matrix::{reserved, zeros};
use crate::error::Result;
use crate::models::{LayerConfig, ModelConfig, RopeAngles};
use crate::runtime::memory::{CopyId, Memory, Part, Window};

/// Maximum size of copies in bytes: a wasm module's memory has 4 GiB for everything.
const MAX_COPY_BYTES: u64 = 128 << 20;

/// The memory of one sequence.
pub(super) struct SequenceMemory {
    /// Cache or state of each layer.
    pub(super) layers: Vec<LayerMemory>,
    /// Number of tokens that the state of recurrent layers has seen.
    pub(super) state_len: usize,
    /// RoPE angles: `[context][rope_dim / 2]`
    pub(super) rope: Vec<[f32; 2]>,
    /// RoPE angles of layers with a sliding window, if they differ, in the same shape.
    pub(super) window_rope: Option<Vec<[f32; 2]>>,
}

/// The memory of one layer.
pub(super) struct LayerMemory {
    /// Keys and values, if the layer computes any.
    pub(super) rows: Option<LayerCache>,
    /// States of fixed size.
    pub(super) state: Vec<Vec<f32>>,
}

impl LayerMemory {
    /// Memory for `context` tokens, of which at most `batch` are usually computed at once.
    ///
    /// # Errors
    /// [`crate::EngineError::OutOfMemory`].
    fn new(config: &ModelConfig, layer: &LayerConfig, [context, batch]: [u32; 2]) -> Result<Self> {
        // A layer that reads another's cache has none.
        let rows = layer.attention().filter(|attention| attention.cache_of.is_none()).map(|attention| {
            let kept = config.kept_positions(attention, context, MAX_SPARE_POSITIONS);
            let window = attention.window.filter(|_| kept < context).map(|window| Window::new(window, kept));
            let row_lens = [attention.key_len(), attention.value_len()].map(|len| len as usize);
            LayerCache::new(context.min(kept + batch) as usize, row_lens, window)
        });
        let state = layer.state_lens().map(|len| zeros(len as usize)).collect::<Result<_>>()?;
        Ok(Self { rows: rows.transpose()?, state })
    }

    /// The floats of a part, as separate slices.
    fn floats(&self, part: Part) -> impl Iterator<Item = &[f32]> {
        let caches = self.rows.iter().map(move |cache| (cache, part.positions(cache.window())));
        let rows = caches.filter(|(_, positions)| !positions.is_empty()).flat_map(|(cache, own)| cache.rows(own));
        rows.chain(self.state.iter().filter(move |_| part.has_state()).map(Vec::as_slice))
    }

    /// Number of floats in a part.
    fn len(&self, part: Part) -> usize {
        let rows = self.rows.as_ref().map_or(0, |cache| part.positions(cache.window()).len() * cache.position_len());
        let state: usize = if part.has_state() { self.state.iter().map(Vec::len).sum() } else { 0 };
        rows + state
    }

    /// Overwrites a part. `next` returns the requested number of floats, in the order of [`LayerMemory::floats`]; if
    /// the source is a copy with more rows, it skips the excess.
    fn set(&mut self, part: Part, next: &mut impl FnMut(usize) -> Vec<f32>) {
        if let Some(cache) = &mut self.rows {
            let positions = part.positions(cache.window());
            if !positions.is_empty() {
                cache.set(positions, next);
            }
        }
        for state in self.state.iter_mut().filter(|_| part.has_state()) {
            *state = next(state.len());
        }
    }
}

impl SequenceMemory {
    /// Memory for `context` tokens, of which at most `batch` are usually computed at once.
    ///
    /// # Errors
    /// [`crate::EngineError::OutOfMemory`].
    pub(super) fn new(config: &ModelConfig, angles: &RopeAngles, positions: [u32; 2]) -> Result<Self> {
        let (rope, window_rope) = angles.rows(&[], 0);
        let layers = config.layers.iter().map(|layer| LayerMemory::new(config, layer, positions));
        Ok(Self { layers: layers.collect::<Result<_>>()?, state_len: 0, rope, window_rope })
    }

    fn floats(&self, part: Part) -> impl Iterator<Item = &[f32]> {
        self.layers.iter().flat_map(move |layer| layer.floats(part))
    }

    /// Overwrites a part, see [`LayerMemory::set`].
    fn set(&mut self, part: Part, next: &mut impl FnMut(usize) -> Vec<f32>) {
        self.layers.iter_mut().for_each(|layer| layer.set(part, next));
        if let Part::State(len) | Part::Checkpoint(len) = part {
            self.state_len = len;
        }
    }
}

impl CpuDecoder {
    /// The memory of the selected sequence.
    fn memory(&self) -> &SequenceMemory {
        &self.memories[self.selected]
    }
}

#[async_trait(?Send)]
impl Memory for CpuDecoder {
    fn sequences(&self) -> usize {
        self.memories.len()
    }

    fn select(&mut self, sequence: usize) {
        self.selected = sequence;
    }

    fn budget_bytes(&self) -> u64 {
        MAX_COPY_BYTES
    }

    fn bytes(&self, part: Part) -> u64 {
        4 * self.memory().layers.iter().map(|layer| layer.len(part) as u64).sum::<u64>()
    }

    fn holds(&self, len: usize) -> bool {
        let memory = self.memory();
        let has_state = |layer: &LayerMemory| layer.state.is_empty() || memory.state_len == len;
        let has_window = |layer: &LayerMemory| layer.rows.as_ref().is_none_or(|cache| cache.has_window(len));
        memory.layers.iter().all(|layer| has_state(layer) && has_window(layer))
    }

    async fn copy(&mut self, part: Part) -> Result<CopyId> {
        let copied = |floats: &[f32]| {
            let mut copy = reserved(floats.len())?;
            copy.extend_from_slice(floats);
            Ok(copy)
        };
        let pieces = self.memory().floats(part).map(copied).collect::<Result<Vec<_>>>()?;
        let id = self.copies.add(pieces);
        Ok(id)
    }

    fn update(&mut self, copy: CopyId, part: Part) {
        let pieces = self.memory().floats(part).map(<[f32]>::to_vec).collect();
        if let Some(copy) = self.copies.get_mut(copy) {
            *copy = pieces;
        }
    }

    fn restore(&mut self, copy: CopyId, part: Part) {
        let Some(pieces) = self.copies.get(copy) else { return };
        let mut pieces = pieces.iter();
        let mut next = |len: usize| pieces.next().map_or_else(Vec::new, |piece| piece[..len].to_vec());
        self.memories[self.selected].set(part, &mut next);
    }

    fn forget(&mut self, copy: CopyId) {
        self.copies.remove(copy);
    }

    fn clear_state(&mut self) {
        self.memories[self.selected].set(Part::State(0), &mut |len| vec![0.0; len]);
    }

    async fn read(&self, part: Part) -> Result<Vec<u8>> {
        Ok(self.memory().floats(part).flat_map(bytemuck::cast_slice::<f32, u8>).copied().collect())
    }

    fn write(&mut self, part: Part, bytes: &[u8]) {
        let mut words = bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word));
        let mut next = |len: usize| words.by_ref().take(len).collect();
        self.memories[self.selected].set(part, &mut next);
    }
}

//! The CPU implementation of [`Memory`]: buffers of the layers, and copies of them.

use async_trait::async_trait;

use super::attention::LayerCache;
use super::decoder::CpuDecoder;
use super::matrix::{reserved, zeros};
use crate::error::Result;
use crate::models::LayerConfig;
use crate::runtime::memory::{CopyId, Layout, Memory, Part};

/// Maximum size of copies in bytes: a wasm module's memory has 4 GiB for everything.
const MAX_COPY_BYTES: u64 = 128 << 20;

/// The memory of one layer.
pub(super) struct LayerMemory {
    /// Keys and values of each token, if the layer computes any.
    pub(super) rows: Option<LayerCache>,
    /// States of fixed size.
    pub(super) state: Vec<Vec<f32>>,
}

impl LayerMemory {
    /// Memory for `context` tokens.
    ///
    /// # Errors
    /// [`crate::EngineError::OutOfMemory`].
    pub(super) fn new(layer: &LayerConfig, context: usize) -> Result<Self> {
        let row_lens = row_lens(layer);
        let rows = row_lens.map(|row_lens| LayerCache::new(context, row_lens)).transpose()?;
        let state = layer.state_lens().map(|len| zeros(len as usize)).collect::<Result<_>>()?;
        Ok(Self { rows, state })
    }

    /// The floats of a part, as separate slices.
    fn floats(&self, part: Part) -> Vec<&[f32]> {
        match part {
            Part::Rows(tokens) => self.rows.iter().flat_map(|cache| cache.first(tokens)).collect(),
            Part::State(_) => self.state.iter().map(Vec::as_slice).collect(),
        }
    }

    /// Overwrites a part. `next` returns the requested number of floats, in the order of [`LayerMemory::floats`]; if
    /// the source is a copy with more rows, it skips the excess.
    fn set(&mut self, part: Part, next: &mut impl FnMut(usize) -> Vec<f32>) {
        match part {
            Part::Rows(tokens) => {
                if let Some(cache) = &mut self.rows {
                    cache.set(tokens, next);
                }
            }
            Part::State(_) => {
                for state in &mut self.state {
                    *state = next(state.len());
                }
            }
        }
    }
}

/// Elements of a token's keys, and of its values, that a layer caches. A layer that reads another's cache has none.
fn row_lens(layer: &LayerConfig) -> Option<[usize; 2]> {
    let attention = layer.attention().filter(|attention| attention.cache_of.is_none())?;
    Some([attention.key_len(), attention.value_len()].map(|len| len as usize))
}

impl CpuDecoder {
    fn floats(&self, part: Part) -> impl Iterator<Item = &[f32]> {
        self.memories.iter().flat_map(move |memory| memory.floats(part))
    }

    fn part_bytes(&self, part: Part) -> u64 {
        let floats = |layer: &LayerConfig| match part {
            Part::Rows(tokens) => row_lens(layer).map_or(0, |[keys, values]| (keys + values) as u64 * tokens as u64),
            Part::State(_) => layer.state_lens().map(u64::from).sum(),
        };
        4 * self.config.layers.iter().map(floats).sum::<u64>()
    }
}

#[async_trait(?Send)]
impl Memory for CpuDecoder {
    fn layout(&self) -> Layout {
        Layout {
            row_bytes: self.part_bytes(Part::Rows(1)),
            state_bytes: self.part_bytes(Part::State(0)),
            budget_bytes: MAX_COPY_BYTES,
        }
    }

    fn state_len(&self) -> usize {
        self.state_len
    }

    async fn copy(&mut self, part: Part) -> Result<CopyId> {
        let copied = |floats: &[f32]| {
            let mut copy = reserved(floats.len())?;
            copy.extend_from_slice(floats);
            Ok(copy)
        };
        let pieces = self.floats(part).map(copied).collect::<Result<Vec<_>>>()?;
        let id = self.copies.add(pieces);
        Ok(id)
    }

    fn update(&mut self, copy: CopyId, part: Part) {
        let pieces = self.floats(part).map(<[f32]>::to_vec).collect();
        if let Some(copy) = self.copies.get_mut(copy) {
            *copy = pieces;
        }
    }

    fn restore(&mut self, copy: CopyId, part: Part) {
        let Some(pieces) = self.copies.get(copy) else { return };
        let mut pieces = pieces.iter();
        let mut next = |len: usize| pieces.next().map_or_else(Vec::new, |piece| piece[..len].to_vec());
        self.memories.iter_mut().for_each(|memory| memory.set(part, &mut next));
        if let Part::State(len) = part {
            self.state_len = len;
        }
    }

    fn forget(&mut self, copy: CopyId) {
        self.copies.remove(copy);
    }

    fn clear_state(&mut self) {
        let mut zeros = |len: usize| vec![0.0; len];
        self.memories.iter_mut().for_each(|memory| memory.set(Part::State(0), &mut zeros));
        self.state_len = 0;
    }

    async fn read(&self, part: Part) -> Result<Vec<u8>> {
        Ok(self.floats(part).flat_map(bytemuck::cast_slice::<f32, u8>).copied().collect())
    }

    fn write(&mut self, part: Part, bytes: &[u8]) {
        let mut words = bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word));
        let mut next = |len: usize| words.by_ref().take(len).collect();
        self.memories.iter_mut().for_each(|memory| memory.set(part, &mut next));
        if let Part::State(len) = part {
            self.state_len = len;
        }
    }
}

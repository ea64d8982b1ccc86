//! The CPU implementation of [`Memory`]: copies of the layers' buffers.

use async_trait::async_trait;

use super::decoder::CpuDecoder;
use super::layer_memory::{LayerMemory, SequenceMemory};
use super::matrix::reserved;
use crate::error::Result;
use crate::runtime::memory::{CopyId, Memory, Part};

/// Maximum size of copies in bytes: a wasm module's memory has 4 GiB for everything.
const MAX_COPY_BYTES: u64 = 128 << 20;

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

//! The GPU implementation of [`Memory`]: buffers of the layers, and copies of them.

use async_trait::async_trait;

use super::decoder::GpuDecoder;
use crate::error::Result;
use crate::runtime::device::Gpu;
use crate::runtime::memory::{CopyId, Layout, Memory, Part};

/// Maximum size of copies in bytes, which every adapter supports as one buffer.
const MAX_COPY_BYTES: u64 = 256 << 20;

/// The memory of one layer.
pub(super) struct LayerMemory {
    /// Keys and values of each token, if the layer computes any.
    pub(super) rows: Option<Rows>,
    /// States of fixed size, in f32.
    pub(super) state: Vec<wgpu::Buffer>,
}

/// Keys, and values from word `value_offset` on: `[context]` rows each, of these lengths in bytes. If values are part
/// of keys, they have neither an offset nor a length.
pub(super) struct Rows {
    pub(super) buffer: wgpu::Buffer,
    pub(super) value_offset: u32,
    pub(super) row_bytes: [u64; 2],
}

impl LayerMemory {
    /// The buffer of keys and values, and the offset of the values in words.
    ///
    /// # Panics
    /// If the layer has none. Callers only ask for layers with attention.
    pub(super) fn rows(&self) -> (&wgpu::Buffer, u32) {
        let Some(rows) = &self.rows else { unreachable!("an attention layer has rows") };
        (&rows.buffer, rows.value_offset)
    }

    /// Where a part is stored: (buffer, offset in bytes, length in bytes).
    fn ranges(&self, part: Part) -> Vec<(&wgpu::Buffer, u64, u64)> {
        match part {
            Part::Rows(tokens) => {
                let Some(Rows { buffer, value_offset, row_bytes }) = &self.rows else { return Vec::new() };
                let starts = [0, u64::from(*value_offset) * 4];
                let ranges = starts.into_iter().zip(row_bytes).filter(|(_, row_bytes)| **row_bytes > 0);
                ranges.map(|(start, row_bytes)| (buffer, start, tokens as u64 * row_bytes)).collect()
            }
            Part::State(_) => self.state.iter().map(|buffer| (buffer, 0, buffer.size())).collect(),
        }
    }
}

/// A copy. Dropping it frees the memory at once, rather than on the browser's garbage collection.
pub(super) struct Copy {
    buffer: wgpu::Buffer,
    part: Part,
}

impl Drop for Copy {
    fn drop(&mut self) {
        self.buffer.destroy();
    }
}

impl GpuDecoder {
    /// Where a part is stored, over all layers.
    fn ranges(&self, part: Part) -> impl Iterator<Item = (&wgpu::Buffer, u64, u64)> {
        self.buffers.layers.iter().flat_map(move |layer| layer.ranges(part))
    }

    fn part_bytes(&self, part: Part) -> u64 {
        self.ranges(part).map(|(.., len_bytes)| len_bytes).sum()
    }

    fn submit_copies(&self, record: impl FnOnce(&mut wgpu::CommandEncoder)) {
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        record(&mut encoder);
        self.gpu.queue().submit([encoder.finish()]);
    }
}

async fn allocate(gpu: &Gpu, len_bytes: u64) -> Result<wgpu::Buffer> {
    gpu.allocating(|| Ok(gpu.storage_buffer("copied memory", len_bytes))).await
}

#[async_trait(?Send)]
impl Memory for GpuDecoder {
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
        let buffer = allocate(&self.gpu, self.part_bytes(part)).await?;
        let id = self.copies.add(Copy { buffer, part });
        self.update(id, part);
        Ok(id)
    }

    fn update(&mut self, copy: CopyId, part: Part) {
        let Some(copy) = self.copies.get(copy) else { return };
        self.submit_copies(|encoder| {
            let mut at = 0;
            for (source, start, len_bytes) in self.ranges(part) {
                encoder.copy_buffer_to_buffer(source, start, &copy.buffer, at, len_bytes);
                at += len_bytes;
            }
        });
    }

    fn restore(&mut self, copy: CopyId, part: Part) {
        let Some(copy) = self.copies.get(copy) else { return };
        self.submit_copies(|encoder| {
            let mut at = 0;
            // A copy may have more rows than requested.
            for ((.., room_bytes), (target, start, len_bytes)) in self.ranges(copy.part).zip(self.ranges(part)) {
                encoder.copy_buffer_to_buffer(&copy.buffer, at, target, start, len_bytes);
                at += room_bytes;
            }
        });
        if let Part::State(len) = part {
            self.state_len = len;
        }
    }

    fn forget(&mut self, copy: CopyId) {
        self.copies.remove(copy);
    }

    fn clear_state(&mut self) {
        self.submit_copies(|encoder| {
            for (buffer, start, len_bytes) in self.ranges(Part::State(0)) {
                encoder.clear_buffer(buffer, start, Some(len_bytes));
            }
        });
        self.state_len = 0;
    }

    async fn read(&self, part: Part) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.part_bytes(part) as usize);
        for (buffer, start, len_bytes) in self.ranges(part).filter(|(.., len_bytes)| *len_bytes > 0) {
            bytes.extend(self.gpu.read_range::<u8>(buffer, start, len_bytes).await?);
        }
        Ok(bytes)
    }

    fn write(&mut self, part: Part, bytes: &[u8]) {
        let mut rest = bytes;
        for (buffer, start, len_bytes) in self.ranges(part) {
            let (own, others) = rest.split_at(len_bytes as usize);
            self.gpu.queue().write_buffer(buffer, start, own);
            rest = others;
        }
        if let Part::State(len) = part {
            self.state_len = len;
        }
    }
}

//! The GPU implementation of [`Memory`]: copies within the device, and to and from the host.

use async_trait::async_trait;

use super::decoder::GpuDecoder;
use super::layer_memory::{Copy, Extent, LayerMemory, Reach};
use crate::error::Result;
use crate::runtime::device::Gpu;
use crate::runtime::memory::{CopyId, Memory, Part};

/// Maximum size of copies in bytes, which every adapter supports as one buffer.
const MAX_COPY_BYTES: u64 = 256 << 20;

impl GpuDecoder {
    /// Where a part of the selected sequence is stored, over all layers.
    fn ranges(&self, part: Part) -> impl Iterator<Item = Extent<'_>> {
        self.buffers.layers.iter().flat_map(move |layer| layer.ranges(self.selected, part))
    }

    /// Records that tokens at `position..end` of the selected sequence are computed.
    pub(super) fn advance(&mut self, position: usize, end: usize) {
        self.reaches[self.selected].advance(position, end);
    }

    fn submit_copies(&self, record: impl FnOnce(&mut wgpu::CommandEncoder)) {
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        record(&mut encoder);
        self.gpu.queue().submit([encoder.finish()]);
    }

    /// Records that a part was restored.
    fn has_restored(&mut self, part: Part) {
        let reach = &mut self.reaches[self.selected];
        match part {
            Part::Rows(_) => {}
            Part::State(len) => reach.state_len = len,
            Part::Checkpoint(len) => *reach = Reach::restore(len),
        }
    }
}

async fn allocate(gpu: &Gpu, len_bytes: u64) -> Result<wgpu::Buffer> {
    gpu.allocating(|| Ok(gpu.storage_buffer("copied memory", len_bytes))).await
}

#[async_trait(?Send)]
impl Memory for GpuDecoder {
    fn sequences(&self) -> usize {
        self.reaches.len()
    }

    fn select(&mut self, sequence: usize) {
        self.selected = sequence;
    }

    fn budget_bytes(&self) -> u64 {
        MAX_COPY_BYTES
    }

    fn bytes(&self, part: Part) -> u64 {
        self.ranges(part).map(|(.., len_bytes)| len_bytes).sum()
    }

    fn holds(&self, len: usize) -> bool {
        let reach = self.reaches[self.selected];
        let has_state = |layer: &LayerMemory| layer.state.is_empty() || reach.state_len == len;
        let mut windows = self.buffers.layers.iter().filter_map(|layer| layer.rows.as_ref()?.window);
        self.buffers.layers.iter().all(has_state) && windows.all(|window| reach.has_window(window, len))
    }

    async fn copy(&mut self, part: Part) -> Result<CopyId> {
        let buffer = allocate(&self.gpu, self.bytes(part)).await?;
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
        self.has_restored(part);
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
        self.reaches[self.selected] = Reach::default();
    }

    async fn read(&self, part: Part) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.bytes(part) as usize);
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
        self.has_restored(part);
    }
}

//! Memory shared by host and GPU, through which a model's file goes to the GPU unchanged. Files that can be read into
//! it directly are never copied to the wasm heap.

use crate::error::{EngineError, Result};
use crate::kernels::repack::MAX_PIECE_BYTES;
use crate::runtime::device::{Dispatch, Gpu, Mapping};

/// Number of bytes of a file that go to the GPU at once.
pub(super) const WINDOW_BYTES: u64 = 8 << 20;
const _: () = assert!(WINDOW_BYTES <= MAX_PIECE_BYTES);
/// Number of buffers: while one is being filled, others are in flight.
const SLOTS: usize = 3;

/// Staging buffers, used in turn.
pub(super) struct Staging {
    gpu: Gpu,
    slots: [Slot; SLOTS],
    next: usize,
    /// Device copy of the last window, with one extra word.
    file: wgpu::Buffer,
}

struct Slot {
    buffer: wgpu::Buffer,
    /// Resolves once the host may write; `None` while it does.
    mapping: Option<Mapping>,
}

impl Staging {
    /// Allocates the buffers.
    pub(super) fn new(gpu: &Gpu) -> Self {
        let slot = |_| {
            let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some("staging"),
                size: WINDOW_BYTES,
                usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            });
            Slot { mapping: Some(Mapping::new(&buffer, wgpu::MapMode::Write, WINDOW_BYTES, None)), buffer }
        };
        Self {
            gpu: gpu.clone(),
            slots: std::array::from_fn(slot),
            next: 0,
            file: gpu.storage_buffer("file", WINDOW_BYTES + 4),
        }
    }

    /// The buffer that [`Staging::submit`] copies to.
    pub(super) fn file(&self) -> &wgpu::Buffer {
        &self.file
    }

    /// Waits until the next [`WINDOW_BYTES`] can be written.
    ///
    /// # Errors
    /// Whatever the GPU reported.
    pub(super) async fn open(&mut self) -> Result<SharedMemory> {
        let slot = &mut self.slots[self.next];
        if let Some(mapping) = slot.mapping.take() {
            mapping.wait(&self.gpu).await?;
        }
        SharedMemory::of(&slot.buffer)
    }

    /// Copies the first `len_bytes` of the open window to the GPU and runs `dispatches` on them.
    pub(super) fn submit(&mut self, memory: SharedMemory, len_bytes: u64, dispatches: &[Dispatch]) {
        drop(memory);
        let slot = &mut self.slots[self.next];
        slot.buffer.unmap();
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        // Copies are whole words; no piece covers the excess bytes.
        encoder.copy_buffer_to_buffer(&slot.buffer, 0, &self.file, 0, len_bytes.next_multiple_of(4));
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for dispatch in dispatches {
            dispatch.encode(&mut pass, 1);
        }
        drop(pass);
        let submission = self.gpu.queue().submit([encoder.finish()]);
        slot.mapping = Some(Mapping::new(&slot.buffer, wgpu::MapMode::Write, WINDOW_BYTES, Some(submission)));
        self.next = (self.next + 1) % SLOTS;
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // A browser would keep this memory until garbage collection. Submitted work still completes.
        self.slots.iter().map(|slot| &slot.buffer).chain([&self.file]).for_each(wgpu::Buffer::destroy);
    }
}

/// A mapped buffer. wgpu's view of it is a copy on the wasm heap, so the browser is asked for it directly.
#[cfg(target_family = "wasm")]
pub(super) struct SharedMemory(js_sys::Uint8Array);

#[cfg(target_family = "wasm")]
impl SharedMemory {
    fn of(buffer: &wgpu::Buffer) -> Result<Self> {
        let buffer = buffer.as_webgpu().ok_or_else(|| EngineError::Gpu("not a buffer of WebGPU".to_owned()))?;
        let memory = buffer.get_mapped_range().map_err(|error| EngineError::Gpu(format!("{error:?}")))?;
        Ok(Self(js_sys::Uint8Array::new(&memory)))
    }

    /// Writes `bytes` at byte offset `at`.
    pub(super) fn write(&mut self, at: u64, bytes: &[u8]) {
        self.part(at, bytes.len() as u64).copy_from(bytes);
    }

    /// The `len_bytes` bytes at byte offset `at`.
    pub(super) fn part(&self, at: u64, len_bytes: u64) -> js_sys::Uint8Array {
        self.0.subarray(at as u32, (at + len_bytes) as u32)
    }
}

/// A mapped buffer.
#[cfg(not(target_family = "wasm"))]
pub(super) struct SharedMemory(wgpu::BufferViewMut);

#[cfg(not(target_family = "wasm"))]
impl SharedMemory {
    fn of(buffer: &wgpu::Buffer) -> Result<Self> {
        buffer.slice(..).get_mapped_range_mut().map(Self).map_err(|error| EngineError::Gpu(error.to_string()))
    }

    /// Writes `bytes` at byte offset `at`.
    pub(super) fn write(&mut self, at: u64, bytes: &[u8]) {
        self.0.slice(at as usize..at as usize + bytes.len()).copy_from_slice(bytes);
    }
}

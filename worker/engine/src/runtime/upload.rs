//! Tensors from a stream of bytes to the device, chunk by chunk: no more than a chunk stands in memory beside it.

use std::collections::HashMap;

use super::cpu::CpuWeights;
use super::device::Device;
use super::gpu::Gpu;
use super::repack::{Group, KERNEL_BLOCK_LEN};
use super::weights::Weights;
use crate::error::{EngineError, Result};
use crate::gguf::{Gguf, TensorInfo};
use crate::models::{ROPE_FREQUENCIES, ROPE_LONG, ROPE_SHORT, Segment, WeightPlan};
use crate::reference::dequantize::dequantize;

/// Blocks of 32 weights that go to the GPU at once: a whole number of groups in every format.
const CHUNK_BLOCKS: u64 = 1 << 15;
/// Bytes queued for the GPU before they are flushed, so that staging memory stays small.
const FLUSH_BYTES: u64 = 32 << 20;

/// Where a part of a tensor goes.
#[derive(Debug, Clone, Copy)]
enum Slot {
    /// These blocks of 32 weights of the tensor into a matrix, from its block `to_block` on.
    Matrix { index: usize, from_block: u64, blocks: u64, to_block: u64 },
    /// Into a vector, from this byte on.
    Vector { index: usize, to_byte: u64 },
    /// To the host: RoPE's divisors.
    Host,
}

/// Where every tensor goes; a tensor may be split, and used twice.
fn slots(plan: &WeightPlan) -> HashMap<String, Vec<Slot>> {
    let mut slots: HashMap<String, Vec<Slot>> = HashMap::new();
    for (index, matrix) in plan.matrices.iter().enumerate() {
        let row_blocks = u64::from(matrix.cols) / KERNEL_BLOCK_LEN;
        let mut row = 0;
        for Segment { tensor, first_row, rows } in &matrix.segments {
            let (from_block, blocks) = (u64::from(*first_row) * row_blocks, u64::from(*rows) * row_blocks);
            let slot = Slot::Matrix { index, from_block, blocks, to_block: row * row_blocks };
            slots.entry(tensor.clone()).or_default().push(slot);
            row += u64::from(*rows);
        }
    }
    for (index, vector) in plan.vectors.iter().enumerate() {
        let mut to_byte = 0;
        for (tensor, len) in &vector.tensors {
            slots.entry(tensor.clone()).or_default().push(Slot::Vector { index, to_byte });
            to_byte += u64::from(*len) * 4;
        }
    }
    for name in [ROPE_FREQUENCIES, ROPE_LONG, ROPE_SHORT] {
        slots.insert(name.to_owned(), vec![Slot::Host]);
    }
    slots
}

/// A model's weights on a device.
pub(super) enum Placed {
    Gpu(Gpu, Weights),
    Cpu(CpuWeights),
}

impl Placed {
    fn allocate(device: &Device, plan: &WeightPlan) -> Result<Self> {
        match device {
            Device::Gpu(gpu) => Ok(Self::Gpu(gpu.clone(), Weights::allocate(gpu, plan)?)),
            Device::Cpu(cpu) => Ok(Self::Cpu(CpuWeights::allocate(cpu, plan)?)),
        }
    }

    /// Writes whole blocks of a matrix, as they stand in the file, from its block of 32 weights `first_block` on.
    fn write_matrix(&mut self, index: usize, first_block: u64, bytes: &[u8]) {
        match self {
            Self::Gpu(gpu, weights) => weights.matrices[index].write(gpu, first_block, bytes),
            Self::Cpu(weights) => weights.write_matrix(index, first_block, bytes),
        }
    }

    /// Writes floats of a vector from its byte `at` on.
    fn write_vector(&mut self, index: usize, at: u64, bytes: &[u8]) {
        match self {
            Self::Gpu(gpu, weights) => gpu.queue().write_buffer(&weights.vectors[index], at, bytes),
            Self::Cpu(weights) => weights.write_vector(index, at, bytes),
        }
    }

    /// Sends what is queued.
    fn flush(&self) {
        if let Self::Gpu(gpu, _) = self {
            gpu.queue().submit([]);
        }
    }
}

/// Takes the bytes of a model's files, one after the other.
pub(super) struct Upload {
    placed: Placed,
    slots: HashMap<String, Vec<Slot>>,
    /// Tensors that stay on the host.
    host: HashMap<String, Vec<f32>>,
    /// The tensors of each file, in the order of their bytes.
    files: Vec<Vec<TensorInfo>>,
    file: usize,
    /// Position in the file of the next byte to come.
    position: u64,
    /// Index of the tensor that the next byte belongs to or precedes.
    tensor: usize,
    /// Bytes of the current tensor that are not on the device yet: too few for a chunk.
    pending: Vec<u8>,
    /// Bytes of the current tensor that are.
    written_bytes: u64,
    unflushed_bytes: u64,
}

impl Upload {
    /// Allocates the planned weights.
    ///
    /// # Errors
    /// [`EngineError::TooLarge`] if a matrix exceeds the device's largest binding, or [`EngineError::OutOfMemory`].
    pub(super) fn new(device: &Device, plan: &WeightPlan, files: &[Gguf]) -> Result<Self> {
        Ok(Self {
            placed: Placed::allocate(device, plan)?,
            slots: slots(plan),
            host: HashMap::new(),
            files: files.iter().map(|file| file.tensors.clone()).collect(),
            file: 0,
            position: 0,
            tensor: 0,
            pending: Vec::new(),
            written_bytes: 0,
            unflushed_bytes: 0,
        })
    }

    /// Takes the next bytes of the file, its header among them.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while let Some(tensor) = self.files.get(self.file).and_then(|tensors| tensors.get(self.tensor)) {
            let gap = tensor.offset_bytes.saturating_sub(self.position).min(bytes.len() as u64);
            bytes = &bytes[gap as usize..];
            self.position += gap;
            if bytes.is_empty() {
                return;
            }
            let group = Group::of(tensor.tensor_type);
            let chunk_bytes = CHUNK_BLOCKS / group.blocks * group.file;
            let missing = tensor.len_bytes - self.written_bytes - self.pending.len() as u64;
            let room = chunk_bytes - self.pending.len() as u64;
            let taken = missing.min(room).min(bytes.len() as u64);
            let (own, rest) = bytes.split_at(taken as usize);
            bytes = rest;
            self.position += taken;
            let is_complete = taken == missing || taken == room;
            if !is_complete || !self.pending.is_empty() {
                self.pending.extend_from_slice(own);
            }
            if is_complete {
                let tensor = tensor.clone();
                let mut pending = std::mem::take(&mut self.pending);
                self.write(&tensor, if pending.is_empty() { own } else { &pending });
                pending.clear();
                self.pending = pending;
            }
        }
    }

    /// Notes that the file has ended; the next bytes are those of the next file.
    ///
    /// # Errors
    /// [`EngineError::Truncated`] if bytes are missing.
    pub(super) fn end_file(&mut self) -> Result<()> {
        let tensors = self.files.get(self.file).map(Vec::as_slice).unwrap_or_default();
        if self.tensor < tensors.len() {
            let needed_bytes = tensors.last().map_or(0, |tensor| tensor.offset_bytes + tensor.len_bytes);
            return Err(EngineError::Truncated { len_bytes: self.position, needed_bytes });
        }
        self.file += 1;
        self.position = 0;
        self.tensor = 0;
        Ok(())
    }

    /// How many files there are.
    pub(super) fn file_count(&self) -> usize {
        self.files.len()
    }

    /// Whether every file has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.file == self.files.len()
    }

    /// The weights, and the tensors that stay on the host.
    ///
    /// # Errors
    /// [`EngineError::Truncated`] if a file never came.
    pub(super) fn finish(self) -> Result<(Placed, HashMap<String, Vec<f32>>)> {
        if !self.has_ended() {
            return Err(EngineError::malformed("a part of the model is missing"));
        }
        self.placed.flush();
        Ok((self.placed, self.host))
    }

    /// Sends the next bytes of `tensor` to where they go.
    fn write(&mut self, tensor: &TensorInfo, bytes: &[u8]) {
        let group = Group::of(tensor.tensor_type);
        // Chunks begin with a group; the last one of a tensor may end inside of one.
        let start = self.written_bytes / group.file * group.blocks;
        let block_bytes = |blocks: u64| (blocks * group.file / group.blocks) as usize;
        for slot in self.slots.get(&tensor.name).into_iter().flatten() {
            match *slot {
                Slot::Matrix { index, from_block, blocks, to_block } => {
                    let end = start + bytes.len() as u64 * group.blocks / group.file;
                    let (first, last) = (from_block.max(start), (from_block + blocks).min(end));
                    if first < last {
                        let own = &bytes[block_bytes(first - start)..block_bytes(last - start)];
                        self.placed.write_matrix(index, to_block + first - from_block, own);
                    }
                }
                Slot::Vector { index, to_byte } => {
                    let at = to_byte + self.written_bytes;
                    self.placed.write_vector(index, at, bytes);
                }
                Slot::Host => {
                    let floats = dequantize(tensor.tensor_type, bytes).unwrap_or_default();
                    self.host.entry(tensor.name.clone()).or_default().extend(floats);
                }
            }
        }
        let written = bytes.len() as u64;
        self.written_bytes += written;
        self.unflushed_bytes += written;
        if self.written_bytes == tensor.len_bytes {
            self.tensor += 1;
            self.written_bytes = 0;
        }
        if self.unflushed_bytes >= FLUSH_BYTES {
            self.placed.flush();
            self.unflushed_bytes = 0;
        }
    }
}

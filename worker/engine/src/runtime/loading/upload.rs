//! Streams tensors to the device, window by window: no more than one window of a file is in memory at a time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::source::Source;
use super::staging::{SharedMemory, Staging, WINDOW_BYTES};
use crate::error::{EngineError, Result};
use crate::gguf::dequantize::dequantize;
use crate::gguf::{Gguf, Group, KERNEL_BLOCK_LEN, TensorInfo, TensorType};
use crate::models::{
    ArrangedPlan, ExpansionPlan, ModelConfig, ModelPlan, ProjectorConfig, ProjectorPlan, Segment, WeightPlan,
};
use crate::runtime::backend::{Decoder, Embedder, Tower};
use crate::runtime::cpu::{Cpu, CpuDecoder, CpuEncoder, CpuTower, CpuWeights};
use crate::runtime::device::{Device, Dispatch, Gpu, Tuning};
use crate::runtime::fit::TextLayers;
use crate::runtime::gpu::{GpuDecoder, GpuEncoder, GpuTower, Piece, Weights, ask_for_repacking, copying};
use crate::runtime::session::DecoderEmbedder;

/// Maximum size in bytes of a window in host memory.
pub(super) const HOST_WINDOW_BYTES: u64 = 4 << 20;

/// Destination of a part of a tensor.
#[derive(Debug, Clone, Copy)]
enum Slot {
    /// `blocks` blocks of 32 weights, starting at the tensor's block `from_block`, go to a matrix, starting at its
    /// block `to_block`.
    Matrix { index: usize, from_block: u64, blocks: u64, to_block: u64 },
    /// Goes to a vector, starting at byte `to_byte`.
    Vector { index: usize, to_byte: u64 },
    /// Stays on the host: the divisors of RoPE, and what follows the layers of an embedding model.
    Host,
    /// Is converted on the host once it is complete, see [`ExpansionPlan`].
    Expansion { index: usize },
    /// Is rearranged on the host once it is complete, see [`ArrangedPlan`].
    Arranged { index: usize },
}

/// Destinations of every tensor; a tensor may be split or used twice.
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
    for (index, expansion) in plan.expansions.iter().enumerate() {
        slots.entry(expansion.tensor.clone()).or_default().push(Slot::Expansion { index });
    }
    for (index, arranged) in plan.arranged.iter().enumerate() {
        slots.entry(arranged.tensor.clone()).or_default().push(Slot::Arranged { index });
    }
    slots.extend(plan.host.iter().map(|name| (name.clone(), vec![Slot::Host])));
    slots.extend(plan.ignored.iter().map(|name| (name.clone(), Vec::new())));
    slots
}

/// A model's weights on a device.
pub(super) enum Placed {
    Gpu(Gpu, Arc<Weights>),
    Cpu(Cpu, Arc<CpuWeights>),
}

impl Placed {
    fn allocate(device: &Device, plan: &WeightPlan) -> Result<Self> {
        match device {
            Device::Gpu(gpu) => Ok(Self::Gpu(gpu.clone(), Arc::new(Weights::allocate(gpu, plan)?))),
            Device::Cpu(cpu) => Ok(Self::Cpu(cpu.clone(), Arc::new(CpuWeights::allocate(cpu, plan)?))),
        }
    }

    /// A decoder with these weights and memory for `context` tokens. `host` has the tensors that stay on the host.
    pub(super) fn decoder(
        &self,
        (config, plan): (&ModelConfig, &ModelPlan),
        context: u32,
        host: &HashMap<String, Vec<f32>>,
    ) -> Result<Box<dyn Decoder>> {
        Ok(match self {
            Self::Gpu(gpu, weights) => {
                Box::new(GpuDecoder::new(gpu, (config, plan), context, Arc::clone(weights), host))
            }
            Self::Cpu(cpu, weights) => {
                Box::new(CpuDecoder::new(cpu, (config, plan), context, Arc::clone(weights), host)?)
            }
        })
    }

    /// The same weights, for batches of up to `tokens`.
    fn with_batches(&self, tokens: u32) -> Self {
        match self {
            Self::Gpu(gpu, weights) => {
                // A multiple of the tile size.
                let tuning = Tuning { prefill_batch: tokens.next_multiple_of(64), ..gpu.tuning() };
                Self::Gpu(gpu.with_tuning(tuning), Arc::clone(weights))
            }
            Self::Cpu(cpu, weights) => Self::Cpu(cpu.clone(), Arc::clone(weights)),
        }
    }

    /// The layers of an embedding model or a ranker with these weights, for texts of up to `context` tokens. `host` as
    /// for [`Placed::decoder`].
    pub(super) fn embedder(
        &self,
        layers: &TextLayers,
        context: u32,
        host: &HashMap<String, Vec<f32>>,
    ) -> Result<Box<dyn Embedder>> {
        Ok(match (layers, self) {
            (TextLayers::Decoder(config, plan), _) => {
                let two_way = config.two_way;
                let batched = two_way.then(|| self.with_batches(context));
                let decoder = batched.as_ref().unwrap_or(self).decoder((config, plan), context, host)?;
                Box::new(DecoderEmbedder { decoder, two_way })
            }
            (TextLayers::Encoder(config, plan), Self::Gpu(gpu, weights)) => {
                Box::new(GpuEncoder::new(gpu, config, plan, Arc::clone(weights))?)
            }
            (TextLayers::Encoder(config, plan), Self::Cpu(cpu, weights)) => {
                Box::new(CpuEncoder::new(cpu, config, plan, Arc::clone(weights)))
            }
        })
    }
}

impl Placed {
    /// A projector's tower with these weights.
    pub(super) fn tower(&self, config: &ProjectorConfig, plan: &ProjectorPlan) -> Box<dyn Tower> {
        match self {
            Self::Gpu(gpu, weights) => Box::new(GpuTower::new(gpu, config, plan, Arc::clone(weights))),
            Self::Cpu(cpu, weights) => Box::new(CpuTower::new(cpu, config, plan, Arc::clone(weights))),
        }
    }
}

/// A part of a file that is being read. It ends between two groups of blocks, so that each window can be repacked
/// independently.
struct Window {
    /// Offset of its first byte in the file.
    start: u64,
    len_bytes: u64,
    /// Number of bytes received.
    filled: u64,
    memory: Memory,
}

enum Memory {
    Host(Vec<u8>),
    Shared(SharedMemory),
}

impl Window {
    fn room(&self) -> u64 {
        self.len_bytes - self.filled
    }

    fn end(&self) -> u64 {
        self.start + self.len_bytes
    }

    /// Appends the next bytes.
    fn write(&mut self, bytes: &[u8]) {
        match &mut self.memory {
            Memory::Host(memory) => memory.extend_from_slice(bytes),
            Memory::Shared(memory) => memory.write(self.filled, bytes),
        }
        self.filled += bytes.len() as u64;
    }

    /// Reads the next bytes from `source`.
    fn read<S: Source>(&mut self, source: &mut S, len_bytes: u64) -> std::result::Result<(), S::Error> {
        match &mut self.memory {
            #[cfg(target_family = "wasm")]
            Memory::Shared(memory) => source.read_to(&memory.part(self.filled, len_bytes))?,
            Memory::Host(memory) => {
                let start = memory.len();
                memory.resize(start + len_bytes as usize, 0);
                source.read(&mut memory[start..])?;
            }
            #[cfg(not(target_family = "wasm"))]
            Memory::Shared(memory) => {
                let mut bytes = vec![0; len_bytes as usize];
                source.read(&mut bytes)?;
                memory.write(self.filled, &bytes);
            }
        }
        self.filled += len_bytes;
        Ok(())
    }
}

/// Consumes the bytes of a model's files, one file after the other.
pub(super) struct Upload {
    placed: Placed,
    /// `None` on the CPU.
    staging: Option<Staging>,
    slots: HashMap<String, Vec<Slot>>,
    /// Tensors that stay on the host.
    host: HashMap<String, Vec<f32>>,
    expansions: Vec<ExpansionPlan>,
    /// With the formats of their matrices.
    arranged: Vec<(ArrangedPlan, TensorType)>,
    /// The weights received so far of the tensor that is being converted.
    unconverted: Vec<f32>,
    /// The tensors of each file, sorted by offset.
    files: Vec<Vec<TensorInfo>>,
    file: usize,
    /// Offset in the file of the next byte.
    position: u64,
    /// Index of the first incomplete tensor.
    tensor: usize,
    window: Option<Window>,
}

impl Upload {
    /// Compiles the kernels that repack the formats of a plan.
    ///
    /// # Errors
    /// [`EngineError::UnsupportedFormat`].
    pub(super) async fn prepare(gpu: &Gpu, plan: &WeightPlan) -> Result<()> {
        // Vectors are F32.
        let formats = plan.matrices.iter().map(|matrix| matrix.tensor_type).chain([TensorType::F32]);
        formats.collect::<HashSet<_>>().into_iter().try_for_each(|format| ask_for_repacking(gpu, format))?;
        gpu.compile().await;
        Ok(())
    }

    /// Allocates the planned weights.
    ///
    /// # Errors
    /// [`EngineError::TooLarge`] if a matrix exceeds the device's largest binding, or [`EngineError::OutOfMemory`].
    pub(super) fn new(device: &Device, plan: &WeightPlan, files: &[Gguf]) -> Result<Self> {
        Ok(Self {
            placed: Placed::allocate(device, plan)?,
            staging: device.gpu().map(Staging::new),
            slots: slots(plan),
            host: HashMap::new(),
            expansions: plan.expansions.clone(),
            arranged: plan.arranged.iter().map(|own| (own.clone(), plan.matrices[own.matrix.0].tensor_type)).collect(),
            unconverted: Vec::new(),
            files: files.iter().map(|file| file.tensors.clone()).collect(),
            file: 0,
            position: 0,
            tensor: 0,
            window: None,
        })
    }

    /// Consumes the next bytes of the file, including its header.
    ///
    /// # Errors
    /// Whatever the GPU reported.
    pub(super) async fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let Some(window) = self.window().await? else {
                self.position += bytes.len() as u64;
                break;
            };
            let (own, rest) = bytes.split_at(window.room().min(bytes.len() as u64) as usize);
            window.write(own);
            bytes = rest;
            self.advance(own.len() as u64)?;
        }
        Ok(())
    }

    /// Reads the next bytes of a file with `left_bytes` bytes left to where they are needed, and returns how many: 0 if
    /// no more are needed.
    ///
    /// # Errors
    /// Errors of the source, or whatever the GPU reported.
    pub(super) async fn pull<S: Source>(
        &mut self,
        source: &mut S,
        left_bytes: u64,
    ) -> std::result::Result<u64, S::Error> {
        let Some(window) = self.window().await? else { return Ok(0) };
        let taken = window.room().min(left_bytes);
        window.read(source, taken)?;
        self.advance(taken)?;
        Ok(taken)
    }

    /// Marks the end of a file; the next bytes belong to the next file.
    ///
    /// # Errors
    /// [`EngineError::Truncated`] if bytes are missing.
    pub(super) fn end_file(&mut self) -> Result<()> {
        let tensors = self.tensors();
        if self.tensor < tensors.len() {
            let needed_bytes = tensors.last().map_or(0, TensorInfo::end_bytes);
            return Err(EngineError::Truncated { len_bytes: self.position, needed_bytes });
        }
        self.file += 1;
        self.position = 0;
        self.tensor = 0;
        Ok(())
    }

    /// Number of files.
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
    /// [`EngineError::Malformed`] if a file is missing.
    pub(super) fn finish(self) -> Result<(Placed, HashMap<String, Vec<f32>>)> {
        if !self.has_ended() {
            return Err(EngineError::malformed("a part of the model is missing"));
        }
        Ok((self.placed, self.host))
    }

    /// The tensors of the current file.
    fn tensors(&self) -> &[TensorInfo] {
        self.files.get(self.file).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether a tensor has to pass through host memory.
    fn needs_host(&self, tensor: &TensorInfo) -> bool {
        let is_host = |slot: &Slot| matches!(slot, Slot::Host | Slot::Expansion { .. } | Slot::Arranged { .. });
        self.staging.is_none() || self.slots.get(&tensor.name).is_some_and(|slots| slots.iter().any(is_host))
    }

    /// The window for the next byte; `None` after the last tensor.
    async fn window(&mut self) -> Result<Option<&mut Window>> {
        if self.window.is_none()
            && let Some(first) = self.tensors().get(self.tensor)
        {
            let is_host = self.needs_host(first);
            let start = self.position;
            let most = if is_host { HOST_WINDOW_BYTES } else { WINDOW_BYTES };
            let len_bytes = self.window_end(start + most, is_host) - start;
            let memory = match &mut self.staging {
                Some(staging) if !is_host => Memory::Shared(staging.open().await?),
                _ => Memory::Host(Vec::with_capacity(len_bytes as usize)),
            };
            self.window = Some(Window { start, len_bytes, filled: 0, memory });
        }
        Ok(self.window.as_mut())
    }

    /// Where a window that must not exceed `limit` has to end: between two groups of a tensor, or where another kind of
    /// memory is needed.
    fn window_end(&self, limit: u64, is_host: bool) -> u64 {
        let tensors = &self.tensors()[self.tensor..];
        let mut end = tensors.last().map_or(limit, TensorInfo::end_bytes).min(limit);
        for tensor in tensors.iter().take_while(|tensor| tensor.offset_bytes < limit) {
            if self.needs_host(tensor) != is_host {
                end = end.min(tensor.offset_bytes);
                break;
            }
            if tensor.end_bytes() > limit {
                let group = Group::of(tensor.tensor_type).file;
                end = tensor.offset_bytes + (limit - tensor.offset_bytes) / group * group;
            }
        }
        end
    }

    /// Records that bytes were received; a complete window goes to the device.
    fn advance(&mut self, len_bytes: u64) -> Result<()> {
        self.position += len_bytes;
        if let Some(window) = self.window.take_if(|window| window.room() == 0) {
            self.place(window)?;
            let position = self.position;
            self.tensor +=
                self.tensors()[self.tensor..].iter().take_while(|tensor| tensor.end_bytes() <= position).count();
        }
        Ok(())
    }

    /// Sends the tensors of a window to their destinations. A weight without one is an error: the model would compute
    /// wrong results without it.
    fn place(&mut self, window: Window) -> Result<()> {
        let mut dispatches = Vec::new();
        let tensors = self.files.get(self.file).map(Vec::as_slice).unwrap_or_default();
        for tensor in tensors[self.tensor..].iter().take_while(|tensor| tensor.offset_bytes < window.end()) {
            let (start, end) = (tensor.offset_bytes.max(window.start), tensor.end_bytes().min(window.end()));
            if start >= end {
                continue;
            }
            let part = Part {
                tensor,
                first_byte: start - tensor.offset_bytes,
                at: start - window.start,
                len_bytes: end - start,
            };
            let slots = self.slots.get(&tensor.name).ok_or_else(|| misplaced(tensor))?;
            for slot in slots {
                match (slot, &window.memory, &mut self.placed, &self.staging) {
                    (Slot::Host, Memory::Host(memory), ..) => {
                        self.host.entry(tensor.name.clone()).or_default().extend(part.floats(memory)?);
                    }
                    (Slot::Expansion { index }, Memory::Host(memory), placed, _) => {
                        self.unconverted.extend(part.floats(memory)?);
                        if end == tensor.end_bytes() {
                            placed.expand(&self.expansions[*index], &std::mem::take(&mut self.unconverted))?;
                        }
                    }
                    (Slot::Arranged { index }, Memory::Host(memory), placed, _) => {
                        self.unconverted.extend(part.floats(memory)?);
                        if end == tensor.end_bytes() {
                            let (plan, tensor_type) = &self.arranged[*index];
                            placed.arrange(plan, &std::mem::take(&mut self.unconverted), *tensor_type)?;
                        }
                    }
                    (_, Memory::Shared(_), Placed::Gpu(gpu, weights), Some(staging)) => {
                        dispatches.extend(part.repacking(slot, gpu, staging.file(), weights)?);
                    }
                    (_, Memory::Host(memory), Placed::Cpu(_, weights), _) => {
                        let weights = Arc::get_mut(weights).ok_or_else(|| misplaced(tensor))?;
                        part.write(slot, memory, weights);
                    }
                    _ => return Err(misplaced(tensor)),
                }
            }
        }
        if let (Memory::Shared(memory), Some(staging)) = (window.memory, &mut self.staging) {
            staging.submit(memory, window.filled, &dispatches);
        }
        Ok(())
    }
}

/// The error for a tensor that the plan does not know, or that cannot reach its destination from the window's memory.
fn misplaced(tensor: &TensorInfo) -> EngineError {
    EngineError::malformed(format!("the tensor “{}” has no place in the model", tensor.name))
}

/// The part of a tensor that lies in a window.
struct Part<'a> {
    tensor: &'a TensorInfo,
    /// Offset of its first byte in the tensor; always the start of a group.
    first_byte: u64,
    /// Offset of its first byte in the window.
    at: u64,
    len_bytes: u64,
}

impl Part<'_> {
    fn bytes<'m>(&self, memory: &'m [u8]) -> &'m [u8] {
        &memory[self.at as usize..(self.at + self.len_bytes) as usize]
    }

    /// Its weights as floats.
    fn floats(&self, memory: &[u8]) -> Result<Vec<f32>> {
        let TensorInfo { name, tensor_type, .. } = self.tensor;
        let unsupported = || EngineError::UnsupportedFormat { tensor: name.clone(), format: *tensor_type };
        dequantize(*tensor_type, self.bytes(memory)).ok_or_else(unsupported)
    }

    /// The piece of it that overlaps `blocks` blocks of the tensor from `from_block` on, and how many of those blocks
    /// precede it.
    fn blocks(&self, from_block: u64, blocks: u64) -> Option<(Piece, u64)> {
        let group = Group::of(self.tensor.tensor_type);
        let start = self.first_byte / group.file * group.blocks;
        // The last part of a tensor may end inside a group.
        let end = start + self.len_bytes * group.blocks / group.file;
        let (first, last) = (from_block.max(start), (from_block + blocks).min(end));
        let bytes = |blocks: u64| blocks * group.file / group.blocks;
        let piece = Piece { start: self.at + bytes(first - start), len_bytes: bytes(last.checked_sub(first)?) };
        (piece.len_bytes > 0).then_some((piece, first - from_block))
    }

    /// The dispatch that repacks it from `file` to its destination on a GPU; `None` if the two do not overlap.
    fn repacking(&self, slot: &Slot, gpu: &Gpu, file: &wgpu::Buffer, weights: &Weights) -> Result<Option<Dispatch>> {
        match *slot {
            Slot::Matrix { index, from_block, blocks, to_block } => {
                let Some((piece, before)) = self.blocks(from_block, blocks) else { return Ok(None) };
                weights.matrices[index].repacking(gpu, file, piece, to_block + before).map(Some)
            }
            Slot::Vector { index, to_byte } => {
                let piece = Piece { start: self.at, len_bytes: self.len_bytes };
                copying(gpu, file, piece, &weights.vectors[index], to_byte + self.first_byte).map(Some)
            }
            Slot::Host | Slot::Expansion { .. } | Slot::Arranged { .. } => Err(misplaced(self.tensor)),
        }
    }

    /// Writes it to its destination on the CPU.
    fn write(&self, slot: &Slot, memory: &[u8], weights: &mut CpuWeights) {
        match *slot {
            Slot::Matrix { index, from_block, blocks, to_block } => {
                if let Some((piece, before)) = self.blocks(from_block, blocks) {
                    let own = &memory[piece.start as usize..(piece.start + piece.len_bytes) as usize];
                    weights.write_matrix(index, to_block + before, own);
                }
            }
            Slot::Vector { index, to_byte } => {
                weights.write_vector(index, to_byte + self.first_byte, self.bytes(memory));
            }
            Slot::Host | Slot::Expansion { .. } | Slot::Arranged { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::{Parsed, Writer};
    use crate::runtime::Cpu;

    #[test]
    fn tensors_unknown_to_the_plan_are_rejected() {
        let mut writer = Writer::default();
        writer.tensor("stray", TensorType::F32, &[32]);
        let mut bytes = writer.header();
        let gguf = match Gguf::parse(&bytes, None) {
            Ok(Parsed::Complete(gguf)) => *gguf,
            other => panic!("{other:?}"),
        };
        bytes.extend([0; 128]);
        // A plan that does not know the tensor.
        let pushed = Upload::new(&Cpu::blocking().into(), &WeightPlan::default(), &[gguf])
            .and_then(|mut upload| pollster::block_on(upload.push(&bytes)));
        assert!(matches!(&pushed, Err(EngineError::Malformed(text)) if text.contains("stray")), "{pushed:?}");
    }
}

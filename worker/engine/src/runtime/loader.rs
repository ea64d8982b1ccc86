//! From a stream of bytes to a model on the GPU. The file never stands whole in memory: the header is
//! gathered and parsed, then tensors go to the GPU chunk by chunk.

use std::collections::HashMap;

use super::gpu::Gpu;
use super::model::Model;
use super::repack::{Group, KERNEL_BLOCK_LEN};
use super::weights::Weights;
use crate::chat::Chat;
use crate::error::{EngineError, Result};
use crate::gguf::{Gguf, Parsed, TensorInfo};
use crate::models::{ModelConfig, ModelPlan, ROPE_FREQUENCIES, ROPE_LONG, ROPE_SHORT, Segment};
use crate::reference::dequantize::dequantize;

/// Blocks of 32 weights that go to the GPU at once. Even, so that packed f16 scales stay whole words.
const CHUNK_BLOCKS: u64 = 1 << 15;
/// Bytes queued for the GPU before they are flushed, so that staging memory stays small.
const FLUSH_BYTES: u64 = 32 << 20;

/// Choices about loading.
#[derive(Debug, Clone, Default)]
pub struct LoaderOptions {
    /// Length of the file, if known: a file cut short is noticed early.
    pub file_len_bytes: Option<u64>,
    /// Context in tokens; `None` takes the trained one, at most 4,096.
    pub context_tokens: Option<u32>,
}

/// Takes a file's bytes in order and gives a model.
pub struct Loader {
    gpu: Gpu,
    options: LoaderOptions,
    received_bytes: u64,
    stage: Stage,
}

enum Stage {
    /// Gathering the header; the number says how many bytes the parser asked for.
    Header(Vec<u8>, u64),
    Tensors(Box<TensorStage>),
}

impl Loader {
    /// A loader that has seen no byte yet.
    pub fn new(gpu: Gpu, options: LoaderOptions) -> Self {
        Self { gpu, options, received_bytes: 0, stage: Stage::Header(Vec::new(), 24) }
    }

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// The file's first fault, or that it does not fit the device.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.received_bytes += bytes.len() as u64;
        match &mut self.stage {
            Stage::Header(header, needed) => {
                header.extend_from_slice(bytes);
                if header.len() as u64 >= *needed || header.len() >= 4 && !header.starts_with(b"GGUF") {
                    let header = std::mem::take(header);
                    self.parse(header).await?;
                }
                Ok(())
            }
            Stage::Tensors(stage) => {
                stage.push(&self.gpu, bytes);
                Ok(())
            }
        }
    }

    /// Finishes after the last byte.
    ///
    /// # Errors
    /// [`EngineError::Truncated`] if bytes are missing, faults of tokenizer and template, or of the GPU.
    pub async fn finish(self) -> Result<Model> {
        let Self { gpu, options, received_bytes, stage } = self;
        let stage = match stage {
            Stage::Tensors(stage) => stage,
            Stage::Header(_, needed_bytes) => {
                return Err(EngineError::Truncated { len_bytes: received_bytes, needed_bytes });
            }
        };
        if received_bytes < stage.gguf.file_len_bytes {
            return Err(EngineError::Truncated { len_bytes: received_bytes, needed_bytes: stage.gguf.file_len_bytes });
        }
        let TensorStage { config, weights, host, chat, .. } = *stage;
        gpu.queue().submit([]);
        let context = options.context_tokens.unwrap_or(4096).min(config.trained_context).max(2);
        let scope = gpu.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let model = Model::new(gpu, config, chat, context, weights, &host);
        if let Some(error) = scope.pop().await {
            return Err(EngineError::TooLarge(error.to_string()));
        }
        let model = model?;
        model.gpu().check()?;
        Ok(model)
    }

    async fn parse(&mut self, header: Vec<u8>) -> Result<()> {
        match Gguf::parse(&header, self.options.file_len_bytes)? {
            Parsed::NeedMore(needed) => {
                // Ask for twice as much, so that parsing anew costs little in all.
                let needed = needed.max(2 * header.len() as u64);
                let needed = self.options.file_len_bytes.map_or(needed, |len| needed.min(len));
                self.stage = Stage::Header(header, needed);
            }
            Parsed::Complete(gguf) => {
                let scope = self.gpu.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
                let stage = TensorStage::new(&self.gpu, *gguf);
                if let Some(error) = scope.pop().await {
                    return Err(EngineError::TooLarge(error.to_string()));
                }
                let mut stage = stage?;
                stage.push(&self.gpu, &header);
                self.stage = Stage::Tensors(Box::new(stage));
            }
        }
        Ok(())
    }
}

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
fn slots(plan: &ModelPlan) -> HashMap<String, Vec<Slot>> {
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

/// The state after the header.
struct TensorStage {
    gguf: Gguf,
    config: ModelConfig,
    chat: Chat,
    weights: Weights,
    slots: HashMap<String, Vec<Slot>>,
    /// Tensors that stay on the host.
    host: HashMap<String, Vec<f32>>,
    /// Position in the file of the next byte to come.
    position: u64,
    /// Index of the tensor that the next byte belongs to or precedes.
    tensor: usize,
    /// Bytes of the current tensor that are not on the GPU yet.
    pending: Vec<u8>,
    /// Bytes of the current tensor that are.
    written_bytes: u64,
    unflushed_bytes: u64,
}

impl TensorStage {
    fn new(gpu: &Gpu, gguf: Gguf) -> Result<Self> {
        let config = ModelConfig::from_gguf(&gguf)?;
        let plan = ModelPlan::new(&gguf, &config, gpu.max_binding_bytes())?;
        let chat = Chat::from_gguf(&gguf, config.vocab)?;
        let slots = slots(&plan);
        let weights = Weights::allocate(gpu, plan)?;
        Ok(Self {
            gguf,
            config,
            chat,
            weights,
            slots,
            host: HashMap::new(),
            position: 0,
            tensor: 0,
            pending: Vec::new(),
            written_bytes: 0,
            unflushed_bytes: 0,
        })
    }

    /// Takes the next bytes of the file (the header among them).
    fn push(&mut self, gpu: &Gpu, mut bytes: &[u8]) {
        while let Some(tensor) = self.gguf.tensors.get(self.tensor) {
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
            self.pending.extend_from_slice(&bytes[..taken as usize]);
            bytes = &bytes[taken as usize..];
            self.position += taken;
            if taken == missing || taken == room {
                let tensor = tensor.clone();
                self.write(gpu, &tensor);
            }
        }
    }

    /// Sends the pending bytes of `tensor` to where they go.
    fn write(&mut self, gpu: &Gpu, tensor: &TensorInfo) {
        let group = Group::of(tensor.tensor_type);
        // Chunks begin with a group; the last one of a tensor may end inside of one.
        let start = self.written_bytes / group.file * group.blocks;
        let block_bytes = |blocks: u64| (blocks * group.file / group.blocks) as usize;
        for slot in self.slots.get(&tensor.name).into_iter().flatten() {
            match *slot {
                Slot::Matrix { index, from_block, blocks, to_block } => {
                    let end = start + self.pending.len() as u64 * group.blocks / group.file;
                    let (first, last) = (from_block.max(start), (from_block + blocks).min(end));
                    if first < last {
                        let bytes = &self.pending[block_bytes(first - start)..block_bytes(last - start)];
                        self.weights.matrices[index].write(gpu, to_block + first - from_block, bytes);
                    }
                }
                Slot::Vector { index, to_byte } => {
                    let at = to_byte + self.written_bytes;
                    gpu.queue().write_buffer(&self.weights.vectors[index], at, &self.pending);
                }
                Slot::Host => {
                    let floats = dequantize(tensor.tensor_type, &self.pending).unwrap_or_default();
                    self.host.entry(tensor.name.clone()).or_default().extend(floats);
                }
            }
        }
        let written = self.pending.len() as u64;
        self.pending.clear();
        self.written_bytes += written;
        self.unflushed_bytes += written;
        if self.written_bytes == tensor.len_bytes {
            self.tensor += 1;
            self.written_bytes = 0;
        }
        if self.unflushed_bytes >= FLUSH_BYTES {
            gpu.queue().submit([]);
            self.unflushed_bytes = 0;
        }
    }
}

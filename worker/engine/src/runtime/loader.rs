//! From a stream of bytes to a model on the GPU. The file never stands whole in memory: the header is
//! gathered and parsed, then tensors go to the GPU chunk by chunk.

use std::collections::HashMap;

use super::forward::{LayerWeights, Weights};
use super::gpu::Gpu;
use super::model::Model;
use super::weights::{BlockBytes, Matrix};
use crate::chat::Chat;
use crate::error::{EngineError, Result};
use crate::gguf::{Gguf, Parsed, TensorInfo};
use crate::models::{ModelConfig, ModelPlan, ROPE_FREQUENCIES, rope_angles};
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
        let TensorStage { config, weights, rope_frequencies, chat, .. } = *stage;
        gpu.queue().submit([]);
        let context = options.context_tokens.unwrap_or(4096).min(config.trained_context).max(2);
        let divisors = (!rope_frequencies.is_empty()).then_some(rope_frequencies.as_slice());
        let angles = rope_angles(&config.rope, &config.heads, context, divisors);
        let scope = gpu.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let model = Model::new(gpu, config, chat, context, weights.into_weights()?, &angles);
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

/// Where a tensor's bytes go.
#[derive(Debug, Clone, Copy)]
enum Slot {
    /// Into this matrix, from this block on.
    Matrix(usize, u64),
    /// Into this norm weight.
    Vector(usize),
    /// To the host, as divisors of RoPE's frequencies.
    RopeFrequencies,
}

/// Buffers by their place in the plan.
struct PlannedWeights {
    plan: ModelPlan,
    /// In the order of [`ModelPlan::matrices`].
    matrices: Vec<Matrix>,
    /// In the order of [`ModelPlan::vectors`].
    vectors: Vec<wgpu::Buffer>,
}

impl PlannedWeights {
    fn allocate(gpu: &Gpu, plan: ModelPlan, config: &ModelConfig) -> Result<Self> {
        Ok(Self {
            matrices: plan.matrices().map(|matrix| Matrix::allocate(gpu, matrix)).collect::<Result<_>>()?,
            vectors: plan.vectors().map(|name| gpu.storage_buffer(name, u64::from(config.embedding_len) * 4)).collect(),
            plan,
        })
    }

    fn slots(&self) -> HashMap<String, Slot> {
        let mut slots = HashMap::new();
        for (index, matrix) in self.plan.matrices().enumerate() {
            let mut first_row = 0;
            for (tensor, rows) in &matrix.tensors {
                let first_block = u64::from(first_row) * u64::from(matrix.cols) / 32;
                slots.insert(tensor.clone(), Slot::Matrix(index, first_block));
                first_row += rows;
            }
        }
        for (index, name) in self.plan.vectors().enumerate() {
            slots.insert(name.clone(), Slot::Vector(index));
        }
        slots.insert(ROPE_FREQUENCIES.to_owned(), Slot::RopeFrequencies);
        slots
    }

    fn into_weights(self) -> Result<Weights> {
        // The same orders as `ModelPlan::matrices` and `ModelPlan::vectors`.
        let mut matrices = self.matrices.into_iter();
        let mut vectors = self.vectors.into_iter();
        let lost = || EngineError::malformed("a planned tensor was not allocated");
        let mut matrix = || matrices.next().ok_or_else(lost);
        let mut vector = || vectors.next().ok_or_else(lost);
        let layers = self
            .plan
            .layers
            .iter()
            .map(|layer| {
                Ok(LayerWeights {
                    attention_norm: vector()?,
                    qkv: layer.qkv.iter().map(|_| matrix()).collect::<Result<_>>()?,
                    attention_output: matrix()?,
                    feed_forward_norm: vector()?,
                    gate_up: matrix()?,
                    down: matrix()?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Weights {
            layers,
            embedding: matrix()?,
            output: self.plan.output.as_ref().map(|_| matrix()).transpose()?,
            output_norm: vector()?,
        })
    }
}

/// The state after the header.
struct TensorStage {
    gguf: Gguf,
    config: ModelConfig,
    chat: Chat,
    weights: PlannedWeights,
    slots: HashMap<String, Slot>,
    rope_frequencies: Vec<f32>,
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
        let plan = ModelPlan::new(&gguf, &config)?;
        let chat = Chat::from_gguf(&gguf, config.vocab)?;
        let weights = PlannedWeights::allocate(gpu, plan, &config)?;
        let slots = weights.slots();
        Ok(Self {
            gguf,
            config,
            chat,
            weights,
            slots,
            rope_frequencies: Vec::new(),
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
            let slot = self.slots[&tensor.name];
            let chunk_bytes = CHUNK_BLOCKS * BlockBytes::of(tensor.tensor_type).file;
            let missing = tensor.len_bytes - self.written_bytes - self.pending.len() as u64;
            let room = chunk_bytes - self.pending.len() as u64;
            let taken = missing.min(room).min(bytes.len() as u64);
            self.pending.extend_from_slice(&bytes[..taken as usize]);
            bytes = &bytes[taken as usize..];
            self.position += taken;
            if taken == missing || taken == room {
                let tensor = tensor.clone();
                self.write(gpu, &tensor, slot);
            }
        }
    }

    /// Sends the pending bytes of `tensor` to the GPU.
    fn write(&mut self, gpu: &Gpu, tensor: &TensorInfo, slot: Slot) {
        match slot {
            Slot::Matrix(index, first_block) => {
                let block = first_block + self.written_bytes / BlockBytes::of(tensor.tensor_type).file;
                self.weights.matrices[index].write(gpu, block, &self.pending);
            }
            Slot::Vector(index) => {
                gpu.queue().write_buffer(&self.weights.vectors[index], self.written_bytes, &self.pending);
            }
            Slot::RopeFrequencies => {
                self.rope_frequencies.extend(dequantize(tensor.tensor_type, &self.pending).unwrap_or_default());
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

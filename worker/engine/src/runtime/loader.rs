//! From streams of bytes to a model on the GPU. A file never stands whole in memory: the header is gathered and
//! parsed, then tensors go to the GPU chunk by chunk.

use std::sync::Arc;

use super::encoder::Encoder;
use super::gpu::Gpu;
use super::model::Model;
use super::upload::Upload;
use crate::error::{EngineError, Result};
use crate::fit::Description;
use crate::gguf::{Gguf, Parsed};

/// The least context worth offering, in tokens.
const MIN_CONTEXT: u32 = 512;

/// Choices about loading.
#[derive(Debug, Clone, Default)]
pub struct LoaderOptions {
    /// Length of the file, if known: a file cut short is noticed early.
    pub file_len_bytes: Option<u64>,
    /// Context in tokens; `None` takes the trained one, at most 4,096 and at most what fits.
    pub context_tokens: Option<u32>,
}

/// What a file held.
pub enum Loaded {
    /// A model that answers.
    Decoder(Box<Model>),
    /// A model that turns texts into vectors.
    Encoder(Box<Encoder>),
}

/// Takes the bytes of a model's files in order and gives a model.
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

/// The state after the header.
struct TensorStage {
    description: Description,
    upload: Upload,
}

impl Loader {
    /// A loader of a model in one file that has seen no byte yet.
    pub fn new(gpu: Gpu, options: LoaderOptions) -> Self {
        Self { gpu, options, received_bytes: 0, stage: Stage::Header(Vec::new(), 24) }
    }

    /// A loader of a model in several files, whose headers were read already. Their bytes come in the same order, headers
    /// included, with [`Loader::end_file`] after each.
    ///
    /// # Errors
    /// Faults of the headers, or that the model does not fit the device.
    pub async fn with_headers(gpu: Gpu, options: LoaderOptions, headers: &[Gguf]) -> Result<Self> {
        let stage = Stage::Tensors(Box::new(TensorStage::new(&gpu, headers).await?));
        Ok(Self { gpu, options, received_bytes: 0, stage })
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
                stage.upload.push(&self.gpu, bytes);
                Ok(())
            }
        }
    }

    /// Notes that a file has ended.
    ///
    /// # Errors
    /// [`EngineError::Truncated`] if bytes are missing.
    pub fn end_file(&mut self) -> Result<()> {
        match &mut self.stage {
            Stage::Tensors(stage) => stage.upload.end_file(),
            Stage::Header(_, needed) => {
                Err(EngineError::Truncated { len_bytes: self.received_bytes, needed_bytes: *needed })
            }
        }
    }

    /// Finishes after the last byte of a model that answers.
    ///
    /// # Errors
    /// As [`Loader::finish_any`], and [`EngineError::WrongKind`] for other models.
    pub async fn finish(self) -> Result<Model> {
        match self.finish_any().await? {
            Loaded::Decoder(model) => Ok(*model),
            Loaded::Encoder(_) => Err(EngineError::WrongKind("it turns texts into vectors and cannot chat")),
        }
    }

    /// Finishes after the last byte. Where the memory does not suffice for the context, it becomes smaller, see
    /// [`Model::context_tokens`].
    ///
    /// # Errors
    /// [`EngineError::Truncated`] if bytes are missing, faults of tokenizer and template, or of the GPU.
    pub async fn finish_any(mut self) -> Result<Loaded> {
        if matches!(&self.stage, Stage::Header(..)) || self.is_single() {
            self.end_file()?;
        }
        let Self { gpu, options, stage, .. } = self;
        let Stage::Tensors(stage) = stage else {
            unreachable!("a file whose header is incomplete has not ended");
        };
        let TensorStage { description, upload } = *stage;
        let (weights, host) = upload.finish(&gpu)?;
        let limits = gpu.limits();
        let scope = || gpu.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let (config, plan, chat) = match description {
            Description::Decoder { config, plan, chat } => (config, plan, *chat),
            Description::Encoder { config, plan, tokenizer } => {
                let memory = scope();
                let encoder = Encoder::new(gpu.clone(), config, &plan, *tokenizer, weights);
                if let Some(error) = memory.pop().await {
                    return Err(out_of_memory(&error));
                }
                gpu.check()?;
                return encoder.map(|encoder| Loaded::Encoder(Box::new(encoder)));
            }
        };
        // Weights and activations are there; what can still be too large is the KV cache, which a smaller context shrinks.
        let wished = config.context(options.context_tokens, limits)?;
        let mut context = wished;
        let parts = (config, Arc::new(chat), Arc::new(weights));
        loop {
            let memory = scope();
            let (config, chat, weights) = parts.clone();
            let model = Model::new(gpu.clone(), config, &plan, chat, context, weights, &host);
            match memory.pop().await {
                None => {
                    gpu.check()?;
                    return model.map(|mut model| {
                        model.wished_context = wished;
                        Loaded::Decoder(Box::new(model))
                    });
                }
                Some(error) if context < 2 * MIN_CONTEXT => return Err(out_of_memory(&error)),
                Some(_) => context = (context / 2).max(MIN_CONTEXT),
            }
        }
    }

    fn is_single(&self) -> bool {
        matches!(&self.stage, Stage::Tensors(stage) if stage.upload.file_count() == 1 && !stage.upload.has_ended())
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
                let mut stage = TensorStage::new(&self.gpu, std::slice::from_ref(&*gguf)).await?;
                stage.upload.push(&self.gpu, &header);
                self.stage = Stage::Tensors(Box::new(stage));
            }
        }
        Ok(())
    }
}

fn out_of_memory(error: &wgpu::Error) -> EngineError {
    EngineError::OutOfMemory(error.to_string())
}

impl TensorStage {
    async fn new(gpu: &Gpu, headers: &[Gguf]) -> Result<Self> {
        let description = Description::new(&Gguf::merge(headers)?, gpu.limits())?;
        let scope = gpu.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let upload = Upload::new(gpu, description.weights(), headers);
        if let Some(error) = scope.pop().await {
            return Err(out_of_memory(&error));
        }
        Ok(Self { upload: upload?, description })
    }
}

//! From streams of bytes to a model on a device. A file never stands whole in memory: the header is gathered and
//! parsed, then tensors go to the device chunk by chunk.

use std::collections::HashMap;
use std::sync::Arc;

use super::upload::{Placed, Upload};
use crate::chat::Chat;
use crate::error::{EngineError, Result};
use crate::gguf::{Gguf, Parsed};
use crate::models::{CacheFormat, ModelConfig, ModelPlan};
use crate::runtime::device::{Device, allocating};
use crate::runtime::fit::Description;
use crate::runtime::memory::Sequences;
use crate::runtime::session::{Encoder, Model};

/// The least context worth offering, in tokens.
const MIN_CONTEXT: u32 = 512;

/// Most bytes of a header that are read at once.
const HEADER_BYTES: u64 = 4 << 20;

/// A file that is read from its beginning, to where its bytes are needed.
pub trait Source {
    /// What may go wrong.
    type Error: From<EngineError>;

    /// Fills memory with the next bytes.
    ///
    /// # Errors
    /// Those of the file.
    fn read(&mut self, bytes: &mut [u8]) -> std::result::Result<(), Self::Error>;

    /// Fills memory that does not belong to wasm with the next bytes.
    ///
    /// # Errors
    /// Those of the file.
    #[cfg(target_family = "wasm")]
    fn read_to(&mut self, bytes: &js_sys::Uint8Array) -> std::result::Result<(), Self::Error>;
}

/// Choices about loading.
#[derive(Debug, Clone, Default)]
pub struct LoaderOptions {
    /// Length of the file, if known: a file cut short is noticed early.
    pub file_len_bytes: Option<u64>,
    /// Context in tokens; `None` takes the trained one, at most 4,096 and at most what fits.
    pub context_tokens: Option<u32>,
    /// How a GPU keeps keys and values, where the model's heads can be kept so.
    pub cache: CacheFormat,
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
    device: Device,
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
    pub fn new(device: impl Into<Device>, options: LoaderOptions) -> Self {
        Self { device: device.into(), options, received_bytes: 0, stage: Stage::Header(Vec::new(), 24) }
    }

    /// A loader of a model in several files, whose headers were read already. Their bytes come in the same order, headers
    /// included, with [`Loader::end_file`] after each.
    ///
    /// # Errors
    /// Faults of the headers, or that the model does not fit the device.
    pub async fn with_headers(device: impl Into<Device>, options: LoaderOptions, headers: &[Gguf]) -> Result<Self> {
        let device = device.into();
        let stage = Stage::Tensors(Box::new(TensorStage::new(&device, headers).await?));
        Ok(Self { device, options, received_bytes: 0, stage })
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
            Stage::Tensors(stage) => stage.upload.push(bytes).await,
        }
    }

    /// Reads the next bytes from a file of which `left_bytes` are left, straight to where they go, and says how many it took: none
    /// where no more are needed. Faster than [`Loader::push`].
    ///
    /// # Errors
    /// As [`Loader::push`], and those of the file.
    pub async fn pull<S: Source>(&mut self, source: &mut S, left_bytes: u64) -> std::result::Result<u64, S::Error> {
        let taken = match &mut self.stage {
            Stage::Header(header, needed) => {
                let missing = needed.saturating_sub(header.len() as u64);
                let mut bytes = vec![0; missing.max(HEADER_BYTES).min(left_bytes) as usize];
                source.read(&mut bytes)?;
                self.push(&bytes).await?;
                return Ok(bytes.len() as u64);
            }
            Stage::Tensors(stage) => stage.upload.pull(source, left_bytes).await?,
        };
        self.received_bytes += taken;
        Ok(taken)
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
        let Self { device, options, stage, .. } = self;
        let Stage::Tensors(stage) = stage else {
            unreachable!("a file whose header is incomplete has not ended");
        };
        let TensorStage { description, upload } = *stage;
        let (placed, host) = upload.finish()?;
        let (config, plan, chat) = match description.with_cache(device.cache_format(options.cache)) {
            Description::Decoder { config, plan, mut chat } => {
                chat.try_template()?;
                (config, plan, Arc::new(*chat))
            }
            Description::Encoder { config, plan, tokenizer } => {
                let embedder = allocating(device.gpu(), || placed.embedder(&config, &plan)).await?;
                return Ok(Loaded::Encoder(Box::new(Encoder::new(device, config, *tokenizer, embedder))));
            }
        };
        // Weights and activations are there; what can still be too large is the KV cache, which a smaller context shrinks.
        let wished = config.context(options.context_tokens, device.limits())?;
        let parts = Parts { placed, config, plan, chat, host };
        let mut context = wished;
        loop {
            match allocating(device.gpu(), || parts.model(&device, context, wished)).await {
                Err(EngineError::OutOfMemory(_)) if context >= 2 * MIN_CONTEXT => {
                    context = (context / 2).max(MIN_CONTEXT);
                }
                result => return result.map(|model| Loaded::Decoder(Box::new(model))),
            }
        }
    }

    /// Tokenizer and template of a model that answers, once its header is read. Until [`Loader::finish_any`] nobody has tried
    /// the template.
    pub fn chat_mut(&mut self) -> Option<&mut Chat> {
        match &mut self.stage {
            Stage::Tensors(stage) => stage.description.chat_mut(),
            Stage::Header(..) => None,
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
                let mut stage = TensorStage::new(&self.device, std::slice::from_ref(&*gguf)).await?;
                stage.upload.push(&header).await?;
                self.stage = Stage::Tensors(Box::new(stage));
            }
        }
        Ok(())
    }
}

/// What a decoder is made of. It may be made again, with a smaller context.
struct Parts {
    placed: Placed,
    config: ModelConfig,
    plan: ModelPlan,
    chat: Arc<Chat>,
    host: HashMap<String, Vec<f32>>,
}

impl Parts {
    fn model(&self, device: &Device, context: u32, wished_context: u32) -> Result<Model> {
        let Self { placed, config, plan, chat, host } = self;
        Ok(Model {
            config: config.clone(),
            chat: Arc::clone(chat),
            context,
            wished_context,
            weight_bytes: plan.weights.len_bytes(),
            sequences: Sequences::default(),
            device: device.clone(),
            decoder: placed.decoder((config, plan), context, host)?,
        })
    }
}

impl TensorStage {
    async fn new(device: &Device, headers: &[Gguf]) -> Result<Self> {
        let description = Description::new(Gguf::merge(headers)?.as_ref(), device.limits())?;
        if let Some(gpu) = device.gpu() {
            Upload::prepare(gpu, description.weights()).await?;
        }
        let upload = allocating(device.gpu(), || Upload::new(device, description.weights(), headers)).await?;
        Ok(Self { description, upload })
    }
}

//! Turns a stream of bytes into a model on a device. A file is never in memory as a whole: the header is buffered and
//! parsed, then tensors go to the device chunk by chunk.

use std::collections::HashMap;
use std::sync::Arc;

use super::header::Header;
use super::placed::Placed;
use super::source::Source;
use super::upload::Upload;
use crate::chat::Chat;
use crate::error::{EngineError, Result};
use crate::gguf::Gguf;
use crate::models::{CacheFormat, ModelConfig, ModelPlan};
use crate::runtime::device::Device;
use crate::runtime::fit::{Description, DeviceLimits, SpeechModel};
use crate::runtime::memory::{Room, Sequences};
use crate::runtime::session::{DraftRecord, Encoder, Head, Model, Transcriber};

/// Smallest context that loading falls back to, in tokens.
const MIN_CONTEXT: u32 = 512;

/// Options for loading.
#[derive(Debug, Clone, Default)]
pub struct LoaderOptions {
    /// Length of the file, if known: truncation is detected early.
    pub file_len_bytes: Option<u64>,
    /// Context length in tokens; `None` takes what the model was trained with, but at most 4,096 and at most what fits.
    pub context_tokens: Option<u32>,
    /// Format of the KV cache on a GPU, for heads that support it.
    pub cache: CacheFormat,
    /// Number of sequences beside the first that a generative model has memory for, each with the same context length: at
    /// most 15, and as many as fit ([`Fit::max_further_sequences`](crate::fit::Fit::max_further_sequences)). They are given
    /// up before the context shrinks.
    pub further_sequences: u32,
    /// Maximum number of bytes that these further sequences take together, if there is a limit.
    pub spare_bytes: Option<u64>,
}

impl LoaderOptions {
    /// How many sequences with this context a model gets memory for, which was planned for one.
    fn sequences(&self, config: &ModelConfig, context: u32, limits: DeviceLimits) -> u32 {
        let affordable = self.spare_bytes.map_or(u64::MAX, |spare| spare / config.kv_bytes(context).max(1));
        let further = u64::from(self.further_sequences).min(affordable) as u32;
        further.saturating_add(1).min(config.max_sequences(context, limits))
    }
}

/// A loaded model.
pub enum Loaded {
    /// A generative model.
    Decoder(Box<Model>),
    /// An embedding model or a ranker.
    Encoder(Box<Encoder>),
    /// A speech recogniser.
    Transcriber(Box<Transcriber>),
}

/// Receives the bytes of a model's files in order and builds the model.
pub struct Loader {
    device: Device,
    options: LoaderOptions,
    received_bytes: u64,
    stage: Stage,
}

enum Stage {
    Header(Header),
    Tensors(Box<TensorStage>),
}

/// State after the header.
struct TensorStage {
    description: Description,
    upload: Upload,
}

impl Loader {
    /// A loader for a model in one file.
    pub fn new(device: impl Into<Device>, options: LoaderOptions) -> Self {
        Self { device: device.into(), options, received_bytes: 0, stage: Stage::Header(Header::default()) }
    }

    /// A loader for a model in several files, whose headers were read before. Push the files' bytes in the same order,
    /// including headers, and call [`Loader::end_file`] after each.
    ///
    /// # Errors
    /// An invalid header, or a model that does not fit the device.
    pub async fn with_headers(device: impl Into<Device>, options: LoaderOptions, headers: &[Gguf]) -> Result<Self> {
        let device = device.into();
        let stage = Stage::Tensors(Box::new(TensorStage::new(&device, headers).await?));
        Ok(Self { device, options, received_bytes: 0, stage })
    }

    /// Consumes the next bytes of the file.
    ///
    /// # Errors
    /// A malformed file, or a model that does not fit the device.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.received_bytes += bytes.len() as u64;
        match &mut self.stage {
            Stage::Header(header) => {
                if let Some(gguf) = header.push(bytes, self.options.file_len_bytes)? {
                    let start = header.take();
                    let mut stage = TensorStage::new(&self.device, &[gguf]).await?;
                    stage.upload.push(&start).await?;
                    self.stage = Stage::Tensors(Box::new(stage));
                }
                Ok(())
            }
            Stage::Tensors(stage) => stage.upload.push(bytes).await,
        }
    }

    /// Reads from a file with `left_bytes` bytes left, directly to where they are needed, and returns how many bytes it
    /// consumed: 0 if no more are needed. Faster than [`Loader::push`].
    ///
    /// # Errors
    /// As [`Loader::push`], and errors of the file.
    pub async fn pull<S: Source>(&mut self, source: &mut S, left_bytes: u64) -> std::result::Result<u64, S::Error> {
        let taken = match &mut self.stage {
            Stage::Header(header) => {
                let mut bytes = vec![0; header.missing().min(left_bytes) as usize];
                source.read(&mut bytes)?;
                self.push(&bytes).await?;
                return Ok(bytes.len() as u64);
            }
            Stage::Tensors(stage) => stage.upload.pull(source, left_bytes).await?,
        };
        self.received_bytes += taken;
        Ok(taken)
    }

    /// Marks the end of a file.
    ///
    /// # Errors
    /// [`EngineError::Truncated`] if bytes are missing.
    pub fn end_file(&mut self) -> Result<()> {
        match &mut self.stage {
            Stage::Tensors(stage) => stage.upload.end_file(),
            Stage::Header(header) => {
                let needed_bytes = header.needed_bytes();
                Err(EngineError::Truncated { len_bytes: self.received_bytes, needed_bytes })
            }
        }
    }

    /// Finishes loading a generative model, after the last byte.
    ///
    /// # Errors
    /// As [`Loader::finish_any`], and [`EngineError::WrongKind`] for embedding models.
    pub async fn finish(self) -> Result<Model> {
        match self.finish_any().await? {
            Loaded::Decoder(model) => Ok(*model),
            Loaded::Encoder(_) => Err(EngineError::WrongKind("it is an embedding model")),
            Loaded::Transcriber(_) => Err(EngineError::WrongKind("it recognises speech")),
        }
    }

    /// Finishes after the last byte. If memory is too small for the context, the context shrinks, see
    /// [`Model::context_tokens`].
    ///
    /// # Errors
    /// [`EngineError::Truncated`] if bytes are missing, or errors of the tokenizer, the template or the device.
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
        let (mut config, plan, chat) = match description.with_cache(device.cache_format(options.cache)) {
            Description::Decoder { config, plan, mut chat } => {
                chat.try_template()?;
                (config, plan, Arc::new(*chat))
            }
            Description::Encoder(model) => {
                let context = model.context(options.context_tokens, device.limits())?;
                let embedder = device.allocating(|| placed.embedder(&model.layers, context, &host)).await?;
                return Ok(Loaded::Encoder(Box::new(Encoder {
                    name: model.name().to_owned(),
                    context: context.min(u32::try_from(embedder.max_tokens()).unwrap_or(u32::MAX)),
                    kv_bytes: model.kv_bytes(context),
                    embedder,
                    head: Head::new(model.head.clone(), model.width(), host),
                    tokenizer: model.tokenizer,
                    rank_prompt: model.rank_prompt,
                    device,
                })));
            }
            Description::Speech(model) => {
                let SpeechModel { config, plan, tokenizer, tokens, rules, filters } = *model;
                let listener = device.allocating(|| placed.listener((&config, &plan), &rules)).await?;
                let weight_bytes = plan.weights.len_bytes();
                let transcriber =
                    Transcriber { device, config, weight_bytes, tokenizer, tokens, rules, filters, listener };
                return Ok(Loaded::Transcriber(Box::new(transcriber)));
            }
        };
        // Weights and activations are allocated; only the KV cache can still be too large. Fewer sequences and a smaller
        // context shrink it.
        let requested = config.context(options.context_tokens, device.limits())?;
        config.sequences = options.sequences(&config, requested, device.limits());
        let mut parts = Parts { placed, config, plan, chat, host };
        let mut context = requested;
        loop {
            let room = Room { context, sequences: parts.config.sequences };
            match device.allocating(|| parts.model(&device, room, requested)).await {
                Err(EngineError::OutOfMemory(_)) if room.sequences > 1 => parts.config.sequences /= 2,
                Err(EngineError::OutOfMemory(_)) if context >= 2 * MIN_CONTEXT => {
                    context = (context / 2).max(MIN_CONTEXT);
                }
                result => return result.map(|model| Loaded::Decoder(Box::new(model))),
            }
        }
    }

    /// Tokenizer and template of a generative model, once its header is parsed. The template is not tried out before
    /// [`Loader::finish_any`].
    pub fn chat_mut(&mut self) -> Option<&mut Chat> {
        match &mut self.stage {
            Stage::Tensors(stage) => stage.description.chat_mut(),
            Stage::Header(..) => None,
        }
    }

    fn is_single(&self) -> bool {
        matches!(&self.stage, Stage::Tensors(stage) if stage.upload.file_count() == 1 && !stage.upload.has_ended())
    }
}

/// Everything needed to build a generative model, more than once if the context has to shrink.
struct Parts {
    placed: Placed,
    config: ModelConfig,
    plan: ModelPlan,
    chat: Arc<Chat>,
    host: HashMap<String, Vec<f32>>,
}

impl Parts {
    fn model(&self, device: &Device, room: Room, requested_context: u32) -> Result<Model> {
        let Self { placed, config, plan, chat, host } = self;
        let decoder = placed.decoder((config, plan), room, host)?;
        Ok(Model {
            config: config.clone(),
            chat: Arc::clone(chat),
            context: room.context,
            requested_context,
            weight_bytes: plan.weights.len_bytes(),
            sequences: Sequences::new(&*decoder),
            is_shifted: vec![false; decoder.sequences()],
            last: vec![0; decoder.sequences()],
            device: device.clone(),
            decoder,
            draft: None,
            drafting: DraftRecord::default(),
        })
    }
}

impl TensorStage {
    async fn new(device: &Device, headers: &[Gguf]) -> Result<Self> {
        let description = Description::new(Gguf::merge(headers)?.as_ref(), device.limits())?;
        if let Some(gpu) = device.gpu() {
            Upload::prepare(gpu, description.weights()).await?;
        }
        let upload = device.allocating(|| Upload::new(device, description.weights(), headers)).await?;
        Ok(Self { description, upload })
    }
}

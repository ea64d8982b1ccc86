//! Describes a model and whether it fits a device. Needs only the header, so this is known before the download.

use crate::chat::Chat;
use crate::error::{EngineError, Result};
use crate::gguf::Gguf;
use crate::kernels::MAX_SEQUENCES;
use crate::models::{
    CacheFormat, EncoderConfig, EncoderPlan, HeadPlan, MAX_TEXT_TOKENS, ModelConfig, ModelPlan, PictureConfig,
    ProjectorConfig, ProjectorPlan, SPEECH_ARCHITECTURE, Sense, SpeechConfig, SpeechPlan, WeightPlan,
};
use crate::runtime::gpu::{scratch_bytes, usual_batch};
pub use crate::runtime::limits::DeviceLimits;
use crate::speech::{MEL_BINS, MelFilters, Rules, SpeechTokens};
use crate::tokenizer::Tokenizer;

/// Default context length in tokens.
pub const DEFAULT_CONTEXT: u32 = 4096;

/// A model as described by its header, planned for a device.
#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Description {
    /// A generative model.
    Decoder {
        /// The hyperparameters.
        config: ModelConfig,
        /// The tensors.
        plan: ModelPlan,
        /// The tokenizer and the chat template.
        chat: Box<Chat>,
    },
    /// An embedding model or a ranker.
    Encoder(Box<TextModel>),
    /// A speech recogniser.
    Speech(Box<SpeechModel>),
}

/// A speech recogniser.
pub struct SpeechModel {
    /// The hyperparameters.
    pub config: SpeechConfig,
    /// The tensors.
    pub plan: SpeechPlan,
    /// The tokenizer.
    pub tokenizer: Tokenizer,
    /// The special tokens.
    pub tokens: SpeechTokens,
    pub(in crate::runtime) rules: Rules,
    pub(in crate::runtime) filters: MelFilters,
}

impl SpeechModel {
    fn new(gguf: &Gguf, limits: DeviceLimits) -> Result<Self> {
        let config = SpeechConfig::from_gguf(gguf)?;
        let plan = SpeechPlan::new(gguf, &config, limits.max_binding_bytes)?;
        let tokenizer = Tokenizer::from_gguf(gguf, config.vocab)?;
        let no_end = || EngineError::MissingMetadata("tokenizer.ggml.eos_token_id".to_owned());
        let end = tokenizer.end_id().ok_or_else(no_end)?;
        let tokens = SpeechTokens::new(config.vocab, end, config.encoder.context)?;
        let rules = Rules::new(&tokenizer, tokens)?;
        let filters = match gguf.metadata.floats("whisper.mel_filters") {
            None => MelFilters::new(config.mels as usize),
            Some(weights) if weights.len() == config.mels as usize * MEL_BINS => MelFilters::from_weights(weights),
            Some(_) => return Err(EngineError::malformed("its filters have the wrong size")),
        };
        Ok(Self { config, plan, tokenizer, tokens, rules, filters })
    }

    fn fit(&self) -> Fit {
        let context = self.config.decoder.context;
        Fit {
            weight_bytes: self.plan.weights.len_bytes(),
            kv_bytes: self.config.kv_bytes(),
            scratch_bytes: self.config.scratch_bytes(),
            context_tokens: context,
            max_context_tokens: context,
            further_sequence_bytes: 0,
            max_further_sequences: 0,
        }
    }
}

/// An embedding model or a ranker.
pub struct TextModel {
    /// Hyperparameters and tensors of the layers.
    pub layers: TextLayers,
    /// What follows the layers.
    pub head: HeadPlan,
    /// The tokenizer.
    pub tokenizer: Tokenizer,
    /// A ranker's prompt, with `{query}` and `{document}`; others get the two texts with separators.
    pub rank_prompt: Option<String>,
}

/// The layers of an embedding model or a ranker.
pub enum TextLayers {
    /// An encoder's.
    Encoder(EncoderConfig, EncoderPlan),
    /// Those of a generative model.
    Decoder(ModelConfig, ModelPlan),
}

impl TextModel {
    /// Its name, from `general.name`.
    pub fn name(&self) -> &str {
        match &self.layers {
            TextLayers::Encoder(config, _) => &config.name,
            TextLayers::Decoder(config, _) => &config.name,
        }
    }

    /// Width of the hidden states.
    pub fn width(&self) -> u32 {
        match &self.layers {
            TextLayers::Encoder(config, _) => config.embedding_len,
            TextLayers::Decoder(config, _) => config.embedding_len,
        }
    }

    /// Size of the keys and values of `context_tokens` in bytes.
    pub fn kv_bytes(&self, context_tokens: u32) -> u64 {
        match &self.layers {
            TextLayers::Encoder(config, _) => config.kv_bytes(),
            TextLayers::Decoder(config, _) => config.kv_bytes(context_tokens),
        }
    }

    /// Maximum number of tokens in a text: as many as `requested`, or as usual.
    ///
    /// # Errors
    /// [`EngineError::ContextTooLarge`] if they do not fit.
    pub fn context(&self, requested: Option<u32>, limits: DeviceLimits) -> Result<u32> {
        match &self.layers {
            TextLayers::Encoder(config, _) => Ok(config.context),
            TextLayers::Decoder(config, _) => Ok(config.context(requested, limits)?.min(MAX_TEXT_TOKENS)),
        }
    }

    fn weights(&self) -> &WeightPlan {
        match &self.layers {
            TextLayers::Encoder(_, plan) => &plan.weights,
            TextLayers::Decoder(_, plan) => &plan.weights,
        }
    }

    fn fit(&self, context_tokens: u32) -> Fit {
        Fit {
            weight_bytes: self.weights().len_bytes(),
            kv_bytes: self.kv_bytes(context_tokens),
            scratch_bytes: match &self.layers {
                TextLayers::Encoder(config, _) => config.scratch_bytes(),
                TextLayers::Decoder(config, _) => scratch_bytes(config),
            },
            context_tokens,
            max_context_tokens: match &self.layers {
                TextLayers::Encoder(config, _) => config.context,
                TextLayers::Decoder(config, _) => config.trained_context.min(MAX_TEXT_TOKENS),
            },
            further_sequence_bytes: 0,
            max_further_sequences: 0,
        }
    }
}

impl Description {
    /// Describes a model. Its template is not tried out yet, see [`Chat::try_template`].
    ///
    /// # Errors
    /// Whatever makes the model unusable.
    pub fn new(gguf: &Gguf, limits: DeviceLimits) -> Result<Self> {
        let architecture = gguf.metadata.require_string("general.architecture")?;
        if EncoderConfig::architectures().any(|known| known == architecture) {
            let config = EncoderConfig::from_gguf(gguf)?;
            let plan = EncoderPlan::new(gguf, &config, limits.max_binding_bytes)?;
            let (vocab, head) = (config.vocab, plan.head.clone());
            return Self::text_model(gguf, TextLayers::Encoder(config, plan), vocab, head);
        }
        if architecture == SPEECH_ARCHITECTURE {
            return Ok(Self::Speech(Box::new(SpeechModel::new(gguf, limits)?)));
        }
        let mut config = ModelConfig::from_gguf(gguf)?;
        let mut plan = ModelPlan::new(gguf, &config, limits.max_binding_bytes)?;
        if let Some(head) = plan.head.take() {
            // Rounded keys and values would change a vector by more than all else together.
            if config.attentions().all(|attention| attention.latent.is_none()) {
                config.cache = CacheFormat::F32;
            }
            let vocab = config.vocab;
            return Self::text_model(gguf, TextLayers::Decoder(config, plan), vocab, head);
        }
        let chat = Box::new(Chat::untried(gguf, config.vocab)?);
        Ok(Self::Decoder { config, plan, chat })
    }

    fn text_model(gguf: &Gguf, layers: TextLayers, vocab: u32, head: HeadPlan) -> Result<Self> {
        let tokenizer = Tokenizer::from_gguf(gguf, vocab)?;
        let rank_prompt = gguf.metadata.string("tokenizer.chat_template.rerank").map(str::to_owned);
        Ok(Self::Encoder(Box::new(TextModel { layers, head, tokenizer, rank_prompt })))
    }

    /// Sets the format of the KV cache, if the model's heads support it.
    #[must_use]
    pub fn with_cache(mut self, format: CacheFormat) -> Self {
        if let Self::Decoder { config, .. } = &mut self {
            config.cache = config.attentions().fold(format, |format, attention| format.for_heads(&attention.heads));
        }
        self
    }

    /// Plans memory for so many sequences beside the first; other kinds of models have none. See
    /// [`LoaderOptions::further_sequences`](crate::runtime::LoaderOptions::further_sequences).
    #[must_use]
    pub fn with_sequences(mut self, further: u32) -> Self {
        if let Self::Decoder { config, .. } = &mut self {
            config.sequences = further.saturating_add(1).min(MAX_SEQUENCES);
        }
        self
    }

    /// The tokenizer and chat template of a generative model.
    pub fn chat_mut(&mut self) -> Option<&mut Chat> {
        match self {
            Self::Decoder { chat, .. } => Some(chat),
            Self::Encoder(_) | Self::Speech(_) => None,
        }
    }

    /// All weights of the model.
    pub fn weights(&self) -> &WeightPlan {
        match self {
            Self::Decoder { plan, .. } => &plan.weights,
            Self::Encoder(model) => model.weights(),
            Self::Speech(model) => &model.plan.weights,
        }
    }

    /// Memory that the model needs with a context of `context_tokens`, or with the default context.
    ///
    /// # Errors
    /// [`EngineError::ContextTooLarge`] if the context does not fit; it contains the largest that does.
    pub fn fit(&self, context_tokens: Option<u32>, limits: DeviceLimits) -> Result<Fit> {
        let weight_bytes = self.weights().len_bytes();
        match self {
            Self::Decoder { config, .. } => {
                let context_tokens = config.context(context_tokens, limits)?;
                let kv_bytes = config.kv_bytes(context_tokens);
                Ok(Fit {
                    weight_bytes,
                    kv_bytes,
                    scratch_bytes: scratch_bytes(config),
                    context_tokens,
                    max_context_tokens: config.max_context(limits),
                    further_sequence_bytes: kv_bytes / u64::from(config.sequences),
                    max_further_sequences: config.max_sequences(context_tokens, limits) - 1,
                })
            }
            Self::Encoder(model) => Ok(model.fit(model.context(context_tokens, limits)?)),
            Self::Speech(model) => Ok(model.fit()),
        }
    }
}

/// A projector as described by its header, planned for a device.
pub struct ProjectorDescription {
    /// Hyperparameters and tensors for each sense that it has.
    pub towers: Vec<(ProjectorConfig, ProjectorPlan)>,
    /// All matrices and vectors.
    pub weights: WeightPlan,
}

impl ProjectorDescription {
    /// Whether a file has a projector, not a model.
    pub fn is_in(gguf: &Gguf) -> bool {
        gguf.metadata.string("general.architecture") == Some(ProjectorConfig::ARCHITECTURE)
    }

    /// Describes a projector.
    ///
    /// # Errors
    /// Whatever makes it unusable.
    pub fn new(gguf: &Gguf, limits: DeviceLimits) -> Result<Self> {
        if !Self::is_in(gguf) {
            return Err(EngineError::WrongProjector("it is a model".to_owned()));
        }
        let configs = ProjectorConfig::all_from_gguf(gguf)?;
        let (plans, weights) = ProjectorPlan::all(gguf, &configs, limits.max_binding_bytes)?;
        let towers: Vec<_> = configs.into_iter().zip(plans).collect();
        for (config, plan) in &towers {
            let (rows, most) = (config.whole_rows(), plan.max_rows(config, limits.max_binding_bytes));
            if rows > most {
                let what = match config.sense {
                    Sense::Sight(_) => "a picture has",
                    Sense::Hearing(_) => "a window of sound has",
                };
                return Err(EngineError::TooLarge(format!("{what} {rows} rows, but it supports at most {most}")));
            }
        }
        Ok(Self { towers, weights })
    }

    /// Checks that it belongs to a model.
    ///
    /// # Errors
    /// [`EngineError::WrongProjector`].
    pub fn check_for(&self, model: &ModelConfig) -> Result<()> {
        self.towers.iter().try_for_each(|(config, _)| config.check_for(model))
    }

    /// Memory that it needs besides a model's, for the largest pictures and for sounds. The context is that of one picture,
    /// or of one square of it, or of a window of sound.
    pub fn fit(&self, limits: DeviceLimits) -> Fit {
        let (mut scratch_bytes, mut context_tokens) = (0, 0);
        for (config, plan) in &self.towers {
            let most = plan.max_rows(config, limits.max_binding_bytes);
            let pixels = config.pictures().and_then(PictureConfig::max_pixels);
            let rows = pixels.map_or(0, |pixels| pixels / config.patch.pow(2));
            let rows = rows.min(most).max(config.whole_rows());
            scratch_bytes += plan.scratch_bytes(config, plan.room_rows(config, rows, limits.max_binding_bytes));
            context_tokens = context_tokens.max(rows / config.merged_rows());
        }
        Fit {
            weight_bytes: self.weights.len_bytes(),
            kv_bytes: 0,
            scratch_bytes,
            context_tokens,
            max_context_tokens: context_tokens,
            further_sequence_bytes: 0,
            max_further_sequences: 0,
        }
    }
}

/// Memory that a model needs on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// Weights, in bytes.
    pub weight_bytes: u64,
    /// KV cache of all sequences, in bytes.
    pub kv_bytes: u64,
    /// Activations, in bytes.
    pub scratch_bytes: u64,
    /// Context length of each sequence: tokens of prompt and answer together.
    pub context_tokens: u32,
    /// The longest context that the model was trained for and the device can bind.
    pub max_context_tokens: u32,
    /// What each further sequence of the same context length takes, in bytes, see
    /// [`LoaderOptions::further_sequences`](crate::runtime::LoaderOptions::further_sequences).
    pub further_sequence_bytes: u64,
    /// How many of them the device can bind.
    pub max_further_sequences: u32,
}

impl Fit {
    /// Total in bytes.
    pub fn total_bytes(&self) -> u64 {
        self.weight_bytes + self.kv_bytes + self.scratch_bytes
    }
}

impl ModelConfig {
    /// Size of the KV caches and of the states of recurrent layers of all sequences on a GPU, in bytes.
    pub fn kv_bytes(&self, context_tokens: u32) -> u64 {
        let batch = usual_batch(self);
        let bytes = |attention| {
            let positions = self.kept_positions(attention, context_tokens, batch);
            u64::from(positions) * self.layer_kv_bytes_per_token(attention)
        };
        u64::from(self.sequences) * (self.attentions().map(bytes).sum::<u64>() + self.state_bytes())
    }

    /// The longest context that the model was trained for and for which a layer's KV caches of all sequences fit into one
    /// binding.
    pub fn max_context(&self, limits: DeviceLimits) -> u32 {
        let batch = usual_batch(self);
        let sequence_bytes = limits.max_binding_bytes / u64::from(self.sequences);
        let fitting = self.attentions().map(|attention| {
            let positions = sequence_bytes / self.layer_kv_bytes_per_token(attention).max(1);
            let positions = u32::try_from(positions).unwrap_or(u32::MAX);
            // A layer that keeps fewer positions in any context does not limit it.
            if self.kept_positions(attention, u32::MAX, batch) <= positions { u32::MAX } else { positions }
        });
        self.trained_context.min(fitting.min().unwrap_or(u32::MAX))
    }

    /// How many sequences of this context length a device can hold: a layer's KV caches of all of them are in one binding.
    /// At least one.
    pub fn max_sequences(&self, context_tokens: u32, limits: DeviceLimits) -> u32 {
        let batch = usual_batch(self);
        let fitting = self.attentions().map(|attention| {
            let positions = u64::from(self.kept_positions(attention, context_tokens, batch));
            limits.max_binding_bytes / (positions * self.layer_kv_bytes_per_token(attention)).max(1)
        });
        fitting.min().unwrap_or(u64::MAX).clamp(1, u64::from(MAX_SEQUENCES)) as u32
    }

    /// The context length to use: `requested`, but no more than the model was trained for; if `None`, the default or
    /// whatever fits.
    ///
    /// # Errors
    /// [`EngineError::ContextTooLarge`] if the requested context does not fit.
    pub fn context(&self, requested: Option<u32>, limits: DeviceLimits) -> Result<u32> {
        let max = self.max_context(limits);
        let context = requested.unwrap_or(DEFAULT_CONTEXT.min(max)).min(self.trained_context).max(2);
        if context <= max.max(2) {
            return Ok(context);
        }
        Err(EngineError::ContextTooLarge { context_tokens: context, max_context_tokens: max })
    }
}

//! The error type of the crate.

use crate::gguf::TensorType;

/// A result of this crate.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;

/// Everything that can fail between a model file and an answer.
///
/// Messages are meant for people: they say what is wrong and, if something can be done about it, what.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EngineError {
    /// The first four bytes are not `GGUF`.
    #[error("this is not a GGUF model file: it starts with {found}, not with “GGUF”")]
    NotGguf {
        /// What the file starts with instead, in words.
        found: String,
    },
    /// The file's version is not supported.
    #[error("GGUF version {0} is not supported; versions 2 and 3 are")]
    UnsupportedVersion(u32),
    /// The file is shorter than its header requires.
    #[error(
        "the model file is cut short: it has {len_bytes} bytes and needs at least {needed_bytes}; download it again"
    )]
    Truncated {
        /// Number of bytes received.
        len_bytes: u64,
        /// Number of bytes that the header requires.
        needed_bytes: u64,
    },
    /// The file contradicts itself or exceeds a limit of the parser.
    #[error("the model file is damaged: {0}")]
    Malformed(String),
    /// A required metadata entry is missing or has the wrong type.
    #[error("the model file lacks the metadata entry “{0}” or it has the wrong type")]
    MissingMetadata(String),
    /// A required tensor is missing.
    #[error("the model file lacks the tensor “{0}”")]
    MissingTensor(String),
    /// The model family is not supported.
    #[error("models of the architecture “{0}” are not supported yet")]
    UnsupportedArchitecture(String),
    /// The weight format is not supported.
    #[error(
        "the tensor “{tensor}” has the format {format}, which is not supported yet; supported are {known}",
        known = TensorType::supported().map(TensorType::name).collect::<Vec<_>>().join(", ")
    )]
    UnsupportedFormat {
        /// The tensor's name.
        tensor: String,
        /// Its format.
        format: TensorType,
    },
    /// The tokenizer or its pre-tokenizer is not supported, or its data are inconsistent.
    #[error("the model's tokenizer cannot be used: {0}")]
    Tokenizer(String),
    /// The chat template failed.
    #[error("the model's chat template failed: {0}")]
    Template(String),
    /// There is no WebGPU adapter, or it refused a device.
    #[error("WebGPU found no usable GPU ({0})")]
    NoGpu(String),
    /// The GPU reported an error, or the device was lost.
    #[error("the GPU reported an error: {0}")]
    Gpu(String),
    /// The GPU's results differ from the references: the browser or the driver computes wrongly.
    #[error("this browser or its graphics driver computes wrong results; the model can run on the CPU")]
    WrongResults,
    /// A helper thread of the CPU backend failed.
    #[error("a helper thread failed: {0}")]
    Threads(String),
    /// The model or its context does not fit this device.
    #[error("the model does not fit this device: {0}")]
    TooLarge(String),
    /// The device ran out of memory.
    #[error("the device has too little memory for this model, even with a small context; try a smaller model ({0})")]
    OutOfMemory(String),
    /// The context does not fit this device.
    #[error("a context of {context_tokens} tokens does not fit this device; {max_context_tokens} tokens would")]
    ContextTooLarge {
        /// Tokens requested.
        context_tokens: u32,
        /// Tokens that fit.
        max_context_tokens: u32,
    },
    /// The model is valid, but of another kind than requested.
    #[error("this model is not for chats: {0}")]
    WrongKind(&'static str),
    /// The projector belongs to another model, or is none.
    #[error("this projector does not belong to the model: {0}")]
    WrongProjector(String),
    /// The draft model has another vocabulary, or is no generative model.
    #[error("this model cannot draft for the other: {0}")]
    WrongDraft(String),
    /// The prompt is longer than the context.
    #[error(
        "the prompt has {prompt_tokens} tokens, but the context holds {context_tokens}; shorten it or start a new chat"
    )]
    ContextOverflow {
        /// Tokens in the prompt.
        prompt_tokens: usize,
        /// Context length: tokens of prompt and answer together.
        context_tokens: usize,
    },
    /// The prompt contradicts itself, or does not fit the model.
    #[error("this prompt cannot be computed: {0}")]
    Prompt(String),
    /// A sampling parameter is out of range.
    #[error("{name} must be {range}, but it is {value}")]
    InvalidSampling {
        /// The parameter.
        name: &'static str,
        /// The allowed range.
        range: &'static str,
        /// The value.
        value: f32,
    },
    /// A saved conversation cannot be continued.
    #[error("the saved conversation cannot be continued: {0}")]
    BadSnapshot(&'static str),
    /// The caller asked to stop.
    #[error("stopped")]
    Interrupted,
}

impl EngineError {
    /// An [`EngineError::Malformed`] with this message.
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::Malformed(message.into())
    }
}

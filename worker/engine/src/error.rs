//! The crate's one error type.

use crate::gguf::TensorType;
use crate::models::ModelConfig;

/// Shorthand for a result of this crate.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;

/// Everything that can go wrong between a model file and its answer.
///
/// Each message is a sentence for a person: it says what is wrong and, where there is something to do, what.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EngineError {
    /// The first four bytes are not `GGUF`.
    #[error("this is not a GGUF model file: it starts with {found}, not with “GGUF”")]
    NotGguf {
        /// What stands there instead, described for a person.
        found: String,
    },
    /// The file's version is one this parser does not read.
    #[error("GGUF version {0} is not supported; versions 2 and 3 are")]
    UnsupportedVersion(u32),
    /// The file ends before its own header says it should.
    #[error(
        "the model file is cut short: it has {len_bytes} bytes and needs at least {needed_bytes}; download it again"
    )]
    Truncated {
        /// Bytes that arrived.
        len_bytes: u64,
        /// Bytes the header asks for.
        needed_bytes: u64,
    },
    /// The file contradicts itself or exceeds a cap of the parser.
    #[error("the model file is damaged: {0}")]
    Malformed(String),
    /// A required metadata key is missing or of the wrong type.
    #[error("the model file lacks the metadata entry “{0}” or has it in the wrong type")]
    MissingMetadata(String),
    /// A required tensor is missing.
    #[error("the model file lacks the tensor “{0}”")]
    MissingTensor(String),
    /// The model family is not implemented.
    #[error(
        "models of the architecture “{0}” are not supported yet; those of {known} are",
        known = ModelConfig::architectures().collect::<Vec<_>>().join(", ")
    )]
    UnsupportedArchitecture(String),
    /// The weight format is not implemented.
    #[error(
        "the tensor “{tensor}” is stored as {format}, which is not supported yet; {known} are",
        known = TensorType::supported().map(TensorType::name).collect::<Vec<_>>().join(", ")
    )]
    UnsupportedFormat {
        /// The tensor's name.
        tensor: String,
        /// Its format.
        format: TensorType,
    },
    /// The tokenizer kind or its pre-tokenizer is not implemented, or its data is inconsistent.
    #[error("the model's tokenizer cannot be used: {0}")]
    Tokenizer(String),
    /// The chat template failed.
    #[error("the model's chat template failed: {0}")]
    Template(String),
    /// No WebGPU adapter, or the adapter refused a device.
    #[error("WebGPU found no usable GPU ({0})")]
    NoGpu(String),
    /// The GPU reported an error, or the device was lost.
    #[error("the GPU reported an error: {0}")]
    Gpu(String),
    /// The GPU's results are not those of the CPU: the browser or the driver computes wrongly.
    #[error("this browser or its graphics driver computes wrongly; the model can run on the CPU")]
    WrongResults,
    /// A thread that helps to compute on the CPU is gone.
    #[error("a thread that helped to compute is gone: {0}")]
    Threads(String),
    /// The model or its context does not fit this device.
    #[error("the model does not fit this device: {0}")]
    TooLarge(String),
    /// The device ran out of memory.
    #[error(
        "the device has not enough memory for this model, not even with a small context; try a smaller model ({0})"
    )]
    OutOfMemory(String),
    /// The context does not fit this device.
    #[error("a context of {context_tokens} tokens does not fit this device; {max_context_tokens} tokens would")]
    ContextTooLarge {
        /// Tokens wished for.
        context_tokens: u32,
        /// Tokens that fit.
        max_context_tokens: u32,
    },
    /// The model is sound, but of another kind than the one asked for.
    #[error("this model is not for chats: {0}")]
    WrongKind(&'static str),
    /// The prompt is longer than the context.
    #[error(
        "the prompt has {prompt_tokens} tokens, but the context holds {context_tokens}; shorten it or start a new chat"
    )]
    ContextOverflow {
        /// Tokens in the prompt.
        prompt_tokens: usize,
        /// Tokens that fit, prompt and answer together.
        context_tokens: usize,
    },
    /// A sampling parameter is outside its range.
    #[error("{name} must be {range}, but it is {value}")]
    InvalidSampling {
        /// The parameter.
        name: &'static str,
        /// What is allowed.
        range: &'static str,
        /// What was given.
        value: f32,
    },
    /// A saved conversation cannot be taken up again.
    #[error("the saved conversation cannot be continued: {0}")]
    BadSnapshot(&'static str),
    /// The caller asked to stop.
    #[error("stopped")]
    Interrupted,
}

impl EngineError {
    /// A [`EngineError::Malformed`] from anything that prints.
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::Malformed(message.into())
    }
}

//! The worker's one error type, and what clients hear of it.

use js_sys::Reflect;
use parlance_api::RequestError;
use parlance_engine::EngineError;
use parlance_protocol::{Failure, FailureKind, Reason};
use parlance_worker_core::FileError;
use wasm_bindgen::JsValue;

/// What can go wrong with a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Request(RequestError),
    /// A model's file cannot be fetched, kept or read.
    #[error(transparent)]
    File(#[from] FileError),
    #[error("this browser offers no WebGPU")]
    NoWebGpu,
    /// A problem of the file itself, not of the copy here.
    #[error("no model can be made of the file on this device, though its checksum is right: {0}")]
    UnusableCopy(EngineError),
    #[error("no model is loaded; load one first")]
    NoModel,
    #[error("the model loaded is for chats; load an embedding model")]
    OnlyChats,
    #[error("this browser keeps no files")]
    NoStorage,
    #[error("this model is not on this device any more")]
    NotKept,
    #[error("choose one GGUF file, or all parts of one model in several files")]
    SeveralModels,
    /// A projector cannot be used with a model, for this reason.
    #[error("“{name}” does not let this model see images: {detail}")]
    WrongProjector { name: String, detail: String },
    /// A mistake that the page does not make, only other programs.
    #[error("{0}")]
    BadRequest(&'static str),
}

impl From<RequestError> for WorkerError {
    fn from(error: RequestError) -> Self {
        match error {
            // So that one place sorts the engine's errors.
            RequestError::Engine(error) => Self::Engine(error),
            other => Self::Request(other),
        }
    }
}

impl WorkerError {
    /// The error of a projector that was to be loaded as a model.
    pub(crate) fn lone_projector(name: &str) -> Self {
        Self::WrongProjector { name: name.to_owned(), detail: "choose it together with its model".to_owned() }
    }

    /// What clients hear.
    pub(crate) fn into_failure(self) -> Failure {
        let mut failure = Failure::new(self.kind(), self.to_string()).with_reason(self.reason());
        if let Self::Engine(EngineError::ContextTooLarge { max_context_tokens, .. }) = &self {
            failure.suggested_context_tokens = Some(*max_context_tokens);
        }
        let request = match self {
            Self::Request(error) => error,
            Self::Engine(error) => RequestError::Engine(error),
            _ => return failure,
        };
        let error = request.body().error;
        if error.param.is_some() {
            failure.status = request.status();
            failure.error = error;
        }
        failure
    }

    /// Whether no model can be made of the file.
    pub(crate) fn is_bad_model(&self) -> bool {
        self.kind() == FailureKind::BadModel
    }

    /// Whether the device failed, so that a new one may do better.
    pub(crate) fn is_gpu(&self) -> bool {
        self.kind() == FailureKind::Gpu
    }

    /// Whether the request was stopped.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.kind() == FailureKind::Interrupted
    }

    fn kind(&self) -> FailureKind {
        match self {
            Self::File(error) => error.kind(),
            Self::NoWebGpu => FailureKind::NoWebGpu,
            Self::BadRequest(_)
            | Self::NoModel
            | Self::OnlyChats
            | Self::NoStorage
            | Self::NotKept
            | Self::SeveralModels
            | Self::Request(RequestError::Field { .. }) => FailureKind::BadRequest,
            Self::Request(RequestError::QuestionTooLong { .. }) => FailureKind::ContextOverflow,
            Self::Request(_) | Self::WrongProjector { .. } => FailureKind::Unsupported,
            Self::UnusableCopy(_) => FailureKind::BadModel,
            Self::Engine(error) => match error {
                EngineError::NoGpu(_) => FailureKind::NoWebGpu,
                EngineError::NotGguf { .. }
                | EngineError::Truncated { .. }
                | EngineError::Malformed(_)
                | EngineError::MissingMetadata(_)
                | EngineError::MissingTensor(_) => FailureKind::BadModel,
                EngineError::UnsupportedVersion(_)
                | EngineError::UnsupportedArchitecture(_)
                | EngineError::UnsupportedFormat { .. }
                | EngineError::WrongKind(_)
                | EngineError::WrongProjector(_)
                | EngineError::Tokenizer(_) => FailureKind::Unsupported,
                EngineError::TooLarge(_) | EngineError::ContextTooLarge { .. } | EngineError::OutOfMemory(_) => {
                    FailureKind::TooLarge
                }
                EngineError::Gpu(_) | EngineError::WrongResults | EngineError::Threads(_) => FailureKind::Gpu,
                EngineError::ContextOverflow { .. } => FailureKind::ContextOverflow,
                EngineError::Template(_)
                | EngineError::Prompt(_)
                | EngineError::InvalidSampling { .. }
                | EngineError::BadSnapshot(_) => FailureKind::BadRequest,
                EngineError::Interrupted => FailureKind::Interrupted,
            },
        }
    }

    fn reason(&self) -> Reason {
        match self {
            Self::Engine(error) => reason_of_engine(error),
            Self::Request(error) => reason_of_request(error),
            Self::File(error) => error.reason(),
            Self::NoWebGpu => Reason::NoWebGpu,
            Self::UnusableCopy(error) => Reason::UnusableCopy { detail: error.to_string() },
            Self::NoModel => Reason::NoModel,
            Self::OnlyChats => Reason::OnlyChats,
            Self::NoStorage => Reason::NoStorage,
            Self::NotKept => Reason::NotKept,
            Self::SeveralModels => Reason::SeveralModels,
            Self::WrongProjector { name, detail } => {
                Reason::WrongProjector { name: name.clone(), detail: detail.clone() }
            }
            Self::BadRequest(_) => Reason::Other,
        }
    }
}

fn reason_of_request(error: &RequestError) -> Reason {
    match error {
        RequestError::Engine(error) => reason_of_engine(error),
        RequestError::Field { param, message } => Reason::Field { name: param.clone(), detail: message.clone() },
        RequestError::QuestionTooLong { prompt_tokens, context_tokens } => {
            Reason::QuestionTooLong { prompt_tokens: *prompt_tokens as u32, context_tokens: *context_tokens as u32 }
        }
        RequestError::CannotSee(model) => Reason::CannotSee { model: model.clone() },
        RequestError::Grammar(detail) => Reason::Grammar { detail: detail.clone() },
    }
}

fn reason_of_engine(error: &EngineError) -> Reason {
    match error.clone() {
        EngineError::NotGguf { found } => Reason::NotGguf { found },
        EngineError::UnsupportedVersion(version) => Reason::GgufVersion { version },
        EngineError::Truncated { len_bytes, needed_bytes } => {
            Reason::CutShort { len_bytes: len_bytes as f64, needed_bytes: needed_bytes as f64 }
        }
        EngineError::Malformed(detail) => Reason::Malformed { detail },
        EngineError::MissingMetadata(name) => Reason::MissingEntry { name },
        EngineError::MissingTensor(name) => Reason::MissingTensor { name },
        EngineError::UnsupportedArchitecture(name) => Reason::Architecture { name },
        EngineError::UnsupportedFormat { tensor, format } => Reason::Format { tensor, format: format.to_string() },
        EngineError::Tokenizer(detail) => Reason::Tokenizer { detail },
        EngineError::Template(detail) => Reason::Template { detail },
        EngineError::Prompt(detail) => Reason::Field { name: "prompt".to_owned(), detail },
        EngineError::NoGpu(detail) => Reason::NoGpu { detail },
        EngineError::Gpu(detail) | EngineError::Threads(detail) => Reason::Gpu { detail },
        EngineError::WrongResults => Reason::WrongResults,
        EngineError::TooLarge(detail) => Reason::TooLarge { detail },
        EngineError::OutOfMemory(detail) => Reason::OutOfMemory { detail },
        EngineError::ContextTooLarge { context_tokens, max_context_tokens } => {
            Reason::ContextTooLarge { context_tokens, max_context_tokens }
        }
        EngineError::WrongKind(_) => Reason::CannotChat,
        EngineError::WrongProjector(detail) => Reason::WrongProjector { name: "mmproj".to_owned(), detail },
        EngineError::ContextOverflow { prompt_tokens, context_tokens } => {
            Reason::ContextFull { prompt_tokens: prompt_tokens as u32, context_tokens: context_tokens as u32 }
        }
        EngineError::InvalidSampling { name, range, .. } => {
            Reason::Field { name: name.to_owned(), detail: format!("it must be {range}") }
        }
        // The page never asks for snapshots.
        EngineError::BadSnapshot(_) => Reason::Other,
        EngineError::Interrupted => Reason::Interrupted,
    }
}

/// A network error from whatever JavaScript threw.
pub(crate) fn network_error(thrown: &JsValue) -> FileError {
    FileError::Network(message_of(thrown))
}

/// A storage error from whatever JavaScript threw.
pub(crate) fn storage_error(thrown: &JsValue) -> FileError {
    match name_of(thrown).as_deref() {
        Some("QuotaExceededError") => FileError::StorageFull { needed_bytes: 0, free_bytes: None },
        Some("NoModificationAllowedError") => FileError::Storage("the file is in use; try again later".to_owned()),
        _ => FileError::Storage(message_of(thrown)),
    }
}

/// The name of what JavaScript threw.
pub(crate) fn name_of(thrown: &JsValue) -> Option<String> {
    Reflect::get(thrown, &"name".into()).ok().and_then(|name| name.as_string())
}

fn message_of(thrown: &JsValue) -> String {
    let message = Reflect::get(thrown, &"message".into()).ok().and_then(|message| message.as_string());
    message.unwrap_or_else(|| format!("{thrown:?}"))
}

//! The worker's one error type, and what clients hear of it.

use js_sys::Reflect;
use parlance_api::{RequestError, engine_failure_kind, engine_failure_reason};
use parlance_engine::EngineError;
use parlance_protocol::openai::ApiError;
use parlance_protocol::{Failure, FailureKind, Reason};
use parlance_worker_core::FileError;
use wasm_bindgen::JsValue;

/// The HTTP status of a request for which there is no room in the queue.
const TOO_MANY_REQUESTS: u16 = 429;

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
    #[error("this needs an embedding model or a ranker; load one")]
    OnlyChats,
    #[error("no ranker is loaded; load one")]
    NoRanker,
    #[error("this needs a speech recogniser, such as Whisper; load one")]
    NoTranscriber,
    #[error("too many requests are waiting; try again later")]
    QueueFull,
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
        match self {
            Self::Engine(error) => RequestError::Engine(error).failure(),
            Self::Request(error) => error.failure(),
            Self::QueueFull => {
                let failure = Failure::new(self.kind(), self.to_string()).with_reason(self.reason());
                let code = Some("rate_limit_exceeded".to_owned());
                let error = ApiError { code, ..ApiError::new(TOO_MANY_REQUESTS, failure.message.clone()) };
                Failure { status: TOO_MANY_REQUESTS, error, ..failure }
            }
            other => Failure::new(other.kind(), other.to_string()).with_reason(other.reason()),
        }
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
            | Self::NoRanker
            | Self::NoTranscriber
            | Self::QueueFull
            | Self::NoStorage
            | Self::NotKept
            | Self::SeveralModels => FailureKind::BadRequest,
            Self::Request(error) => error.kind(),
            Self::WrongProjector { .. } => FailureKind::Unsupported,
            Self::UnusableCopy(_) => FailureKind::BadModel,
            Self::Engine(error) => engine_failure_kind(error),
        }
    }

    /// The exact reason.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Engine(error) => engine_failure_reason(error),
            Self::Request(error) => error.reason(),
            Self::File(error) => error.reason(),
            Self::NoWebGpu => Reason::NoWebGpu,
            Self::UnusableCopy(error) => Reason::UnusableCopy { detail: error.to_string() },
            Self::NoModel => Reason::NoModel,
            Self::NoTranscriber => Reason::CannotHear,
            Self::OnlyChats => Reason::OnlyChats,
            Self::QueueFull => Reason::QueueFull,
            Self::NoStorage => Reason::NoStorage,
            Self::NotKept => Reason::NotKept,
            Self::SeveralModels => Reason::SeveralModels,
            Self::WrongProjector { name, detail } => {
                Reason::WrongProjector { name: name.clone(), detail: detail.clone() }
            }
            Self::BadRequest(_) | Self::NoRanker => Reason::Other,
        }
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

/// The message of what JavaScript threw.
pub(crate) fn message_of(thrown: &JsValue) -> String {
    let message = Reflect::get(thrown, &"message".into()).ok().and_then(|message| message.as_string());
    message.unwrap_or_else(|| format!("{thrown:?}"))
}

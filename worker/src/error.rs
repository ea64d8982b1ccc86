//! The worker's one error type and what clients hear of it.

use js_sys::Reflect;
use parlance_api::RequestError;
use parlance_engine::EngineError;
use parlance_protocol::{Failure, FailureKind};
use wasm_bindgen::JsValue;

/// What can go wrong with a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Request(RequestError),
    #[error("this browser offers no WebGPU")]
    NoWebGpu,
    #[error("the model could not be fetched: the server answered {status} for {url}")]
    Status { status: u16, url: String },
    #[error("the model could not be fetched: {0}")]
    Network(String),
    #[error("this page may not connect to {host}, because nobody has allowed it yet")]
    NotAllowed { host: String },
    /// Beside the file that was begun; never told.
    #[error("the model could not be fetched: the file at its address changed meanwhile; try again")]
    Changed,
    #[error("the model on this device is damaged; it was removed, load it again")]
    Damaged,
    #[error(
        "this device's storage is full: {needed} MB are needed{}; delete a model that you do not need",
        free_text(*free_bytes), needed = needed_bytes.div_ceil(1_000_000)
    )]
    StorageFull { needed_bytes: u64, free_bytes: Option<u64> },
    #[error("this device's storage cannot be used: {0}")]
    Storage(String),
    #[error("{0}")]
    BadRequest(&'static str),
}

fn free_text(free_bytes: Option<u64>) -> String {
    free_bytes.map(|bytes| format!(", {} MB are left", bytes / 1_000_000)).unwrap_or_default()
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
    /// A request that needs a model came before one was loaded.
    pub(crate) const NO_MODEL: Self = Self::BadRequest("no model is loaded; load one first");

    /// A network error from whatever JavaScript threw.
    pub(crate) fn network(thrown: &JsValue) -> Self {
        Self::Network(message_of(thrown))
    }

    /// A storage error from whatever JavaScript threw.
    pub(crate) fn storage(thrown: &JsValue) -> Self {
        match Self::name_of(thrown).as_deref() {
            Some("QuotaExceededError") => Self::StorageFull { needed_bytes: 0, free_bytes: None },
            Some("NoModificationAllowedError") => Self::Storage("the file is in use; try again later".to_owned()),
            _ => Self::Storage(message_of(thrown)),
        }
    }

    /// The name of what JavaScript threw.
    pub(crate) fn name_of(thrown: &JsValue) -> Option<String> {
        Reflect::get(thrown, &"name".into()).ok().and_then(|name| name.as_string())
    }

    /// What clients hear.
    pub(crate) fn into_failure(self) -> Failure {
        let mut failure = Failure::new(self.kind(), self.to_string());
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

    /// Whether it says that the file is no model that can be used.
    pub(crate) fn is_bad_model(&self) -> bool {
        matches!(self, Self::Damaged) || self.kind() == FailureKind::BadModel
    }

    /// Whether the device failed, so that a new one may do better.
    pub(crate) fn is_gpu(&self) -> bool {
        self.kind() == FailureKind::Gpu
    }

    fn kind(&self) -> FailureKind {
        match self {
            Self::NoWebGpu => FailureKind::NoWebGpu,
            Self::Status { .. } | Self::Network(_) | Self::Changed => FailureKind::Network,
            Self::NotAllowed { .. } => FailureKind::NotAllowed,
            Self::BadRequest(_) | Self::Request(RequestError::Field { .. }) => FailureKind::BadRequest,
            Self::Request(_) => FailureKind::Unsupported,
            Self::Damaged => FailureKind::BadModel,
            Self::StorageFull { .. } | Self::Storage(_) => FailureKind::Storage,
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
                | EngineError::Tokenizer(_) => FailureKind::Unsupported,
                EngineError::TooLarge(_) | EngineError::ContextTooLarge { .. } | EngineError::OutOfMemory(_) => {
                    FailureKind::TooLarge
                }
                EngineError::Gpu(_) | EngineError::Threads(_) => FailureKind::Gpu,
                EngineError::ContextOverflow { .. } => FailureKind::ContextOverflow,
                EngineError::Template(_) | EngineError::InvalidSampling { .. } | EngineError::BadSnapshot(_) => {
                    FailureKind::BadRequest
                }
                EngineError::Interrupted => FailureKind::Interrupted,
            },
        }
    }
}

fn message_of(thrown: &JsValue) -> String {
    let message = Reflect::get(thrown, &"message".into()).ok().and_then(|message| message.as_string());
    message.unwrap_or_else(|| format!("{thrown:?}"))
}

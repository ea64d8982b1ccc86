//! The worker's one error type and what the page hears of it.

use parlance_engine::EngineError;
use parlance_protocol::{Failure, FailureKind};

/// What can go wrong with a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("this browser offers no WebGPU")]
    NoWebGpu,
    #[error("the model could not be fetched: the server answered {status} for {url}")]
    Status { status: u16, url: String },
    #[error("the model could not be fetched: {0}")]
    Network(String),
    #[error("{0}")]
    BadRequest(&'static str),
}

impl WorkerError {
    /// A request that needs a model came before one was loaded.
    pub(crate) const NO_MODEL: Self = Self::BadRequest("no model is loaded; load one first");

    /// A network error from whatever JavaScript threw.
    pub(crate) fn network(thrown: &wasm_bindgen::JsValue) -> Self {
        let message = js_sys::Reflect::get(thrown, &"message".into()).ok().and_then(|message| message.as_string());
        Self::Network(message.unwrap_or_else(|| format!("{thrown:?}")))
    }

    pub(crate) fn into_failure(self) -> Failure {
        let suggested_context_tokens = match &self {
            Self::Engine(EngineError::ContextTooLarge { max_context_tokens, .. }) => Some(*max_context_tokens),
            Self::Engine(EngineError::OutOfMemory { smaller_context_tokens, .. }) => *smaller_context_tokens,
            _ => None,
        };
        Failure { kind: self.kind(), message: self.to_string(), suggested_context_tokens }
    }

    fn kind(&self) -> FailureKind {
        match self {
            Self::NoWebGpu => FailureKind::NoWebGpu,
            Self::Status { .. } | Self::Network(_) => FailureKind::Network,
            Self::BadRequest(_) => FailureKind::BadRequest,
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
                EngineError::TooLarge(_) | EngineError::ContextTooLarge { .. } | EngineError::OutOfMemory { .. } => {
                    FailureKind::TooLarge
                }
                EngineError::Gpu(_) => FailureKind::Gpu,
                EngineError::ContextOverflow { .. } => FailureKind::ContextOverflow,
                EngineError::Template(_) | EngineError::InvalidSampling { .. } => FailureKind::BadRequest,
                EngineError::Interrupted => FailureKind::Interrupted,
            },
        }
    }
}

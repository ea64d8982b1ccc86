//! What went wrong.

use serde::{Deserialize, Serialize};

use crate::openai::ApiError;

/// What went wrong, for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of thing it is, so that the page can offer help.
    pub kind: FailureKind,
    /// A sentence that says what is wrong and, where possible, what to do.
    pub message: String,
    /// Tokens of context that would fit, where a smaller context helps.
    pub suggested_context_tokens: Option<u32>,
    /// HTTP's number for it.
    pub status: u16,
    /// The same for clients of the `OpenAI` API.
    pub error: ApiError,
}

impl Failure {
    /// A failure that names no field.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        let message = message.into();
        let is_callers = kind.status() < 500;
        let error = ApiError {
            message: message.clone(),
            kind: if is_callers { "invalid_request_error" } else { "server_error" }.to_owned(),
            param: None,
            code: None,
        };
        Self { kind, message, suggested_context_tokens: None, status: kind.status(), error }
    }
}

/// Kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The browser has no WebGPU, or it gives no adapter.
    NoWebGpu,
    /// The model could not be fetched.
    Network,
    /// The page may not connect to the model's host: the user has not allowed it.
    NotAllowed,
    /// The model file is damaged or none.
    BadModel,
    /// The model is sound, but not supported.
    Unsupported,
    /// The model or its context does not fit.
    TooLarge,
    /// This device's storage is full, or the browser gives none.
    Storage,
    /// The GPU failed.
    Gpu,
    /// The worker could not start or died; a new one can be tried.
    Crashed,
    /// The prompt does not fit the context.
    ContextOverflow,
    /// The request makes no sense.
    BadRequest,
    /// The request was stopped before it had a result.
    Interrupted,
}

impl FailureKind {
    /// HTTP's number for it.
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest | Self::ContextOverflow => 400,
            Self::NotAllowed => 403,
            Self::Network => 502,
            Self::NoWebGpu | Self::Unsupported | Self::TooLarge | Self::Storage => 503,
            // As clients see a request that they gave up themselves.
            Self::Interrupted => 499,
            Self::BadModel | Self::Gpu | Self::Crashed => 500,
        }
    }
}

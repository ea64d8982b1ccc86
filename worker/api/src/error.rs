//! The crate's error type, and its form in the `OpenAI` API.

use parlance_engine::EngineError;
use parlance_protocol::openai::{ApiError, ApiErrorBody};

/// The parameter in the path of a request that names a response.
pub(crate) const RESPONSE_ID: &str = "response_id";

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RequestError {
    /// A field is invalid.
    #[error("{param}: {message}")]
    Field {
        /// The field's path, for example `messages[0].content`.
        param: String,
        /// What is wrong with it.
        message: String,
    },
    /// The part of a conversation that cannot be dropped exceeds the context length.
    #[error(
        "the last message, with the system prompt and any partial answer, has {prompt_tokens} tokens, but the context length is \
         {context_tokens}; shorten it, or load the model with a larger context"
    )]
    QuestionTooLong {
        /// Tokens of the system prompt and the last turn.
        prompt_tokens: usize,
        /// The context length, for prompt and answer together.
        context_tokens: usize,
    },
    /// The request is too long.
    #[error("the request has more than {max_bytes} bytes")]
    BodyTooLarge {
        /// The limit.
        max_bytes: usize,
    },
    /// A response that the request refers to is not kept on this device.
    #[error(
        "there is no response “{id}” on this device: it was deleted, has made room for newer ones, or was never kept"
    )]
    NoResponse {
        /// Its id.
        id: String,
        /// The parameter that names it.
        param: &'static str,
    },
    /// There is no model of this name.
    #[error("there is no model “{0}”; v1/models lists those that there are")]
    NoModel(String),
    /// The request has images, but the model of this name sees none.
    #[error("{0} cannot see images; load a model with a projector (mmproj)")]
    CannotSee(String),
    /// The request has recordings, but the model of this name hears none.
    #[error("{0} cannot hear recordings; load a model with a projector (mmproj) of sounds")]
    CannotHear(String),
    /// The recording cannot be used, for this reason.
    #[error("the recording cannot be transcribed: {0}")]
    Recording(String),
    /// The grammar that constrains an answer failed during generation.
    #[error("the grammar of the answer failed: {0}")]
    Grammar(String),
    /// The engine failed, or rejected the request.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl RequestError {
    pub(crate) fn field(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Field { param: param.into(), message: message.into() }
    }

    /// The invalid field, if that is the reason.
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::Field { param, .. } => Some(param),
            Self::NoResponse { param, .. } => Some(param),
            Self::BodyTooLarge { .. } => Some("body"),
            Self::Recording(_) => Some("file"),
            Self::NoModel(_) => Some("model"),
            Self::Engine(EngineError::InvalidSampling { name, .. }) => Some(name),
            Self::QuestionTooLong { .. }
            | Self::CannotSee(_)
            | Self::CannotHear(_)
            | Self::Engine(EngineError::ContextOverflow { .. } | EngineError::Template(_)) => Some("messages"),
            Self::Engine(_) | Self::Grammar(_) => None,
        }
    }

    /// The corresponding HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::BodyTooLarge { .. } => 413,
            Self::NoModel(_) => 404,
            Self::NoResponse { param, .. } if *param == RESPONSE_ID => 404,
            _ if self.param().is_some() => 400,
            _ => 500,
        }
    }

    /// The error response of the `OpenAI` API.
    pub fn body(&self) -> ApiErrorBody {
        let code = match self {
            Self::QuestionTooLong { .. } | Self::Engine(EngineError::ContextOverflow { .. }) => {
                Some("context_length_exceeded")
            }
            Self::CannotSee(_) => Some("images_not_supported"),
            Self::CannotHear(_) => Some("audio_not_supported"),
            Self::Recording(_) => Some("unusable_recording"),
            Self::Field { .. } | Self::Engine(EngineError::InvalidSampling { .. }) => Some("invalid_value"),
            Self::BodyTooLarge { .. } => Some("request_too_large"),
            Self::NoModel(_) => Some("model_not_found"),
            Self::NoResponse { param, .. } if *param == RESPONSE_ID => Some("not_found"),
            Self::NoResponse { .. } => Some("previous_response_not_found"),
            _ => None,
        };
        let (param, code) = (self.param().map(str::to_owned), code.map(str::to_owned));
        ApiErrorBody { error: ApiError { param, code, ..ApiError::new(self.status(), self.to_string()) } }
    }
}

//! The crate's one error type and what `OpenAI`'s clients see of it.

use parlance_engine::EngineError;
use parlance_protocol::openai::{ApiError, ApiErrorBody};

/// Why a request cannot be answered.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RequestError {
    /// A field is wrong.
    #[error("{param}: {message}")]
    Field {
        /// Path of the field, for example `messages[0].content`.
        param: String,
        /// What is wrong with it.
        message: String,
    },
    /// What cannot be left out of a conversation is longer than the context.
    #[error(
        "the last question, with the instructions before it and what is answered already, has {prompt_tokens} tokens, but the context \
         holds {context_tokens}; shorten it, or load the model with a larger context"
    )]
    QuestionTooLong {
        /// Tokens of the instructions and the last turn.
        prompt_tokens: usize,
        /// Tokens that fit, prompt and answer together.
        context_tokens: usize,
    },
    /// The grammar that an answer must obey failed on the way.
    #[error("the answer's grammar failed: {0}")]
    Grammar(String),
    /// The engine refused or failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl RequestError {
    pub(crate) fn field(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Field { param: param.into(), message: message.into() }
    }

    /// The field that is wrong, if one is.
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::Field { param, .. } => Some(param),
            Self::Engine(EngineError::InvalidSampling { name, .. }) => Some(name),
            Self::QuestionTooLong { .. }
            | Self::Engine(EngineError::ContextOverflow { .. } | EngineError::Template(_)) => Some("messages"),
            Self::Engine(_) | Self::Grammar(_) => None,
        }
    }

    /// HTTP's number for it.
    pub fn status(&self) -> u16 {
        if self.param().is_some() { 400 } else { 500 }
    }

    /// The error as `OpenAI`'s clients expect it.
    pub fn body(&self) -> ApiErrorBody {
        let code = match self {
            Self::QuestionTooLong { .. } | Self::Engine(EngineError::ContextOverflow { .. }) => {
                Some("context_length_exceeded")
            }
            Self::Field { .. } | Self::Engine(EngineError::InvalidSampling { .. }) => Some("invalid_value"),
            _ => None,
        };
        let kind = if self.status() == 400 { "invalid_request_error" } else { "server_error" };
        let param = self.param().map(str::to_owned);
        let message = self.to_string();
        ApiErrorBody { error: ApiError { message, kind: kind.to_owned(), param, code: code.map(str::to_owned) } }
    }
}

//! What clients are told about requests that failed, in a browser and over HTTP alike.

use parlance_engine::EngineError;
use parlance_protocol::{Failure, FailureKind, Reason};

use crate::error::RequestError;

impl RequestError {
    /// What clients are told.
    pub fn failure(&self) -> Failure {
        let mut failure = Failure::new(self.kind(), self.to_string()).with_reason(self.reason());
        if let Self::Engine(EngineError::ContextTooLarge { max_context_tokens, .. }) = self {
            failure.suggested_context_tokens = Some(*max_context_tokens);
        }
        let error = self.body().error;
        if error.param.is_some() {
            failure.status = self.status();
            failure.error = error;
        }
        failure
    }

    /// The kind of failure.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Engine(error) => engine_failure_kind(error),
            Self::Field { .. }
            | Self::BodyTooLarge { .. }
            | Self::NoResponse { .. }
            | Self::NoModel(_)
            | Self::Recording(_) => FailureKind::BadRequest,
            Self::QuestionTooLong { .. } => FailureKind::ContextOverflow,
            Self::CannotSee(_) | Self::CannotHear(_) | Self::Grammar(_) => FailureKind::Unsupported,
        }
    }

    /// The exact reason.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Engine(error) => engine_failure_reason(error),
            Self::Field { param, message } => Reason::Field { name: param.clone(), detail: message.clone() },
            Self::QuestionTooLong { prompt_tokens, context_tokens } => {
                Reason::QuestionTooLong { prompt_tokens: *prompt_tokens as u32, context_tokens: *context_tokens as u32 }
            }
            Self::CannotSee(model) => Reason::CannotSee { model: model.clone() },
            Self::CannotHear(model) => Reason::HearsNothing { model: model.clone() },
            Self::Grammar(detail) => Reason::Grammar { detail: detail.clone() },
            Self::Recording(detail) => Reason::Recording { detail: detail.clone() },
            Self::BodyTooLarge { .. } | Self::NoResponse { .. } | Self::NoModel(_) => {
                Reason::Field { name: self.param().unwrap_or_default().to_owned(), detail: self.to_string() }
            }
        }
    }
}

/// The kind of failure that an error of the engine is.
pub fn engine_failure_kind(error: &EngineError) -> FailureKind {
    match error {
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
        | EngineError::WrongDraft(_)
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
    }
}

/// The exact reason of an error of the engine.
pub fn engine_failure_reason(error: &EngineError) -> Reason {
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
        EngineError::WrongDraft(detail) => Reason::WrongDraft { detail },
        EngineError::ContextOverflow { prompt_tokens, context_tokens } => {
            Reason::ContextFull { prompt_tokens: prompt_tokens as u32, context_tokens: context_tokens as u32 }
        }
        EngineError::InvalidSampling { name, range, .. } => {
            Reason::Field { name: name.to_owned(), detail: format!("it must be {range}") }
        }
        // No client asks for snapshots.
        EngineError::BadSnapshot(_) => Reason::Other,
        EngineError::Interrupted => Reason::Interrupted,
    }
}

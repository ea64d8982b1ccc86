//! Failures of requests.

use serde::{Deserialize, Serialize};

use crate::openai::ApiError;

/// Why a request failed, for display and for programs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind of failure, by which the page offers help.
    pub kind: FailureKind,
    /// The exact reason, for translated messages. Failures stored by older versions have none.
    #[serde(default)]
    pub reason: Reason,
    /// An English sentence that says what went wrong and, if possible, what to do.
    pub message: String,
    /// A context length that would fit, if a smaller one helps.
    pub suggested_context_tokens: Option<u32>,
    /// The corresponding HTTP status.
    pub status: u16,
    /// The corresponding error of the `OpenAI` API.
    pub error: ApiError,
}

impl Failure {
    /// A failure with no reason and no `param`.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        let (message, status) = (message.into(), kind.status());
        let error = ApiError::new(status, message.clone());
        Self { kind, reason: Reason::Other, message, suggested_context_tokens: None, status, error }
    }

    /// Sets the exact reason.
    #[must_use]
    pub fn with_reason(self, reason: Reason) -> Self {
        Self { reason, ..self }
    }
}

/// The exact reason of a failure, with the values that a message about it needs. A `detail` is a technical message in English, for
/// example from the browser, the device or a template.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
#[allow(missing_docs, reason = "fields are named for what they are")]
pub enum Reason {
    /// The browser has no WebGPU.
    NoWebGpu,
    /// WebGPU found no usable GPU.
    NoGpu { detail: String },
    /// The model's server responded with an error.
    HttpStatus { status: u16, url: String },
    /// The model could not be fetched.
    Network { detail: String },
    /// The model's server sent an invalid length or range; `detail` is the header.
    BadAnswer { detail: String },
    /// The user has not allowed the model's host.
    NotAllowed { host: String },
    /// The file at the model's URL changed during the download.
    Changed,
    /// The stored model was damaged, and was removed.
    Damaged,
    /// A file's checksum differs from the one that its URL or its host specifies. Nothing of it is stored.
    WrongChecksum { name: String },
    /// A stored file has the right checksum but is not a usable model. Another download would not help.
    UnusableCopy { detail: String },
    /// The fragment of the model's URL does not have a checksum for each of its files.
    BadPin { files: u32 },
    /// The file is not a GGUF file.
    NotGguf { found: String },
    /// The file's GGUF version is not supported.
    GgufVersion { version: u32 },
    /// The file is truncated.
    CutShort { len_bytes: f64, needed_bytes: f64 },
    /// The file is inconsistent.
    Malformed { detail: String },
    /// The file lacks a metadata entry.
    MissingEntry { name: String },
    /// The file lacks a tensor.
    MissingTensor { name: String },
    /// The model's architecture is not supported.
    Architecture { name: String },
    /// The format of a tensor is not supported.
    Format { tensor: String, format: String },
    /// The tokenizer cannot be used.
    Tokenizer { detail: String },
    /// The chat template rejected the conversation.
    Template { detail: String },
    /// The GPU failed, or a CPU thread.
    Gpu { detail: String },
    /// The GPU computes wrong results.
    WrongResults,
    /// The model exceeds a limit of the device.
    TooLarge { detail: String },
    /// The device has not enough memory.
    OutOfMemory { detail: String },
    /// The requested context length does not fit the device.
    ContextTooLarge { context_tokens: u32, max_context_tokens: u32 },
    /// The conversation exceeds the context length.
    ContextFull { prompt_tokens: u32, context_tokens: u32 },
    /// The last turn and the system prompt alone exceed the context length.
    QuestionTooLong { prompt_tokens: u32, context_tokens: u32 },
    /// The model is an embedding model, but a chat model is needed.
    CannotChat,
    /// The request has images, but the model sees none.
    CannotSee { model: String },
    /// The request has recordings, but the model hears none.
    HearsNothing { model: String },
    /// The projector cannot be used with the model.
    WrongProjector { name: String, detail: String },
    /// The draft model cannot be used with the model.
    WrongDraft { detail: String },
    /// The model is a chat model, but an embedding model is needed.
    OnlyChats,
    /// The model is another one, but a speech recogniser is needed.
    CannotHear,
    /// The recording cannot be used.
    Recording { detail: String },
    /// No model is loaded.
    NoModel,
    /// Too many requests are waiting.
    QueueFull,
    /// The browser has no storage for files.
    NoStorage,
    /// The model is no longer stored on this device.
    NotKept,
    /// This device's storage is full. `needed_bytes` is 0 if unknown.
    StorageFull { needed_bytes: f64, free_bytes: Option<f64> },
    /// This device's storage cannot be used.
    Storage { detail: String },
    /// The model's URL is invalid.
    BadAddress,
    /// Files of several models were chosen at once.
    SeveralModels,
    /// A field of the request is invalid.
    Field { name: String, detail: String },
    /// The grammar that constrains an answer failed.
    Grammar { detail: String },
    /// The request was stopped.
    Interrupted,
    /// The engine could not start, or crashed.
    EngineStopped { detail: String },
    /// Unknown, or added by a newer version: only the message describes it.
    #[default]
    #[serde(other)]
    Other,
}

/// Kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The browser has no WebGPU, or no adapter.
    NoWebGpu,
    /// The model could not be fetched.
    Network,
    /// The user has not allowed the model's host.
    NotAllowed,
    /// The model file is damaged, or is not a model.
    BadModel,
    /// The model is valid, but not supported.
    Unsupported,
    /// The model or its context does not fit.
    TooLarge,
    /// This device's storage is full or unavailable.
    Storage,
    /// The GPU failed.
    Gpu,
    /// The worker could not start, or crashed. A new one may work.
    Crashed,
    /// The prompt exceeds the context length.
    ContextOverflow,
    /// The request is invalid.
    BadRequest,
    /// The request was stopped before it had a result.
    Interrupted,
}

impl FailureKind {
    /// The corresponding HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest | Self::ContextOverflow => 400,
            Self::NotAllowed => 403,
            Self::Network => 502,
            Self::NoWebGpu | Self::Unsupported | Self::TooLarge | Self::Storage => 503,
            // nginx's status for requests that their client closed.
            Self::Interrupted => 499,
            Self::BadModel | Self::Gpu | Self::Crashed => 500,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_older_and_newer_versions_can_be_read() -> serde_json::Result<()> {
        let failure = Failure::new(FailureKind::Network, "m");
        let mut json = serde_json::to_value(&failure)?;
        json["reason"] = serde_json::json!({ "code": "unheard_of", "detail": "d" });
        assert_eq!(serde_json::from_value::<Failure>(json.clone())?, failure);
        if let Some(entries) = json.as_object_mut() {
            entries.remove("reason");
        }
        assert_eq!(serde_json::from_value::<Failure>(json)?, failure);
        let reason = Reason::HttpStatus { status: 404, url: "u".to_owned() };
        assert_eq!(serde_json::to_string(&reason)?, r#"{"code":"http_status","status":404,"url":"u"}"#);
        Ok(())
    }
}

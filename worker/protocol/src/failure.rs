//! What went wrong.

use serde::{Deserialize, Serialize};

use crate::openai::ApiError;

/// What went wrong, for a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of thing it is, so that the page can offer help.
    pub kind: FailureKind,
    /// What exactly it is, so that an interface can say it in its own language. Failures of older versions have none.
    #[serde(default)]
    pub reason: Reason,
    /// An English sentence that says what is wrong and, where possible, what to do.
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
        Self { kind, reason: Reason::Other, message, suggested_context_tokens: None, status: kind.status(), error }
    }

    /// The same with what exactly it is.
    #[must_use]
    pub fn with_reason(self, reason: Reason) -> Self {
        Self { reason, ..self }
    }
}

/// What exactly went wrong, with what a sentence about it names. A `detail` is technical and English: what the browser, the device or a
/// template said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
#[allow(missing_docs, reason = "fields are named for what they are")]
pub enum Reason {
    /// The browser has no WebGPU.
    NoWebGpu,
    /// WebGPU found no GPU that can be used.
    NoGpu { detail: String },
    /// The server of the model refused.
    HttpStatus { status: u16, url: String },
    /// The model could not be fetched.
    Network { detail: String },
    /// What the model's server says of the file's length, or of a part of it, makes no sense; `detail` is what it says.
    BadAnswer { detail: String },
    /// The user has not allowed the model's host.
    NotAllowed { host: String },
    /// The file at the model's address became another one meanwhile.
    Changed,
    /// The model that was kept is damaged, and was removed.
    Damaged,
    /// The checksum of a file is not the one that its address or its host tells; nothing of it is kept.
    WrongChecksum { name: String },
    /// No model can be made of a file that is kept, though its checksum is right: another download would not help.
    UnusableCopy { detail: String },
    /// What follows `#` in the model's address is not the checksum of each of its files.
    BadPin { files: u32 },
    /// The file does not begin as a model does.
    NotGguf { found: String },
    /// The version of the file's format is unknown.
    GgufVersion { version: u32 },
    /// The file ends too early.
    CutShort { len_bytes: f64, needed_bytes: f64 },
    /// The file contradicts itself.
    Malformed { detail: String },
    /// The file lacks an entry of its header.
    MissingEntry { name: String },
    /// The file lacks a tensor.
    MissingTensor { name: String },
    /// The model's architecture is unknown.
    Architecture { name: String },
    /// The weights have an unknown format.
    Format { tensor: String, format: String },
    /// The tokenizer cannot be used.
    Tokenizer { detail: String },
    /// The chat template refused the conversation.
    Template { detail: String },
    /// The GPU, or a thread in its place, failed.
    Gpu { detail: String },
    /// The GPU computes wrongly.
    WrongResults,
    /// The model exceeds a limit of the device.
    TooLarge { detail: String },
    /// The device has not enough memory.
    OutOfMemory { detail: String },
    /// The context that was wished for does not fit the device.
    ContextTooLarge { context_tokens: u32, max_context_tokens: u32 },
    /// The conversation is longer than the context.
    ContextFull { prompt_tokens: u32, context_tokens: u32 },
    /// The last question alone is longer than the context.
    QuestionTooLong { prompt_tokens: u32, context_tokens: u32 },
    /// The model turns texts into vectors.
    CannotChat,
    /// The model is for chats, where one that turns texts into vectors is needed.
    OnlyChats,
    /// No model is loaded.
    NoModel,
    /// The browser gives no storage.
    NoStorage,
    /// The model is not on this device any more.
    NotKept,
    /// This device's storage is full; what is needed is 0 where that is not known.
    StorageFull { needed_bytes: f64, free_bytes: Option<f64> },
    /// This device's storage cannot be used.
    Storage { detail: String },
    /// The model's address is none.
    BadAddress,
    /// Files of several models were chosen at once.
    SeveralModels,
    /// A field of the request is wrong.
    Field { name: String, detail: String },
    /// The grammar that an answer must obey failed.
    Grammar { detail: String },
    /// The request was stopped.
    Interrupted,
    /// The engine could not start, or died.
    EngineStopped { detail: String },
    /// Nothing but the message is known, or a newer version said it.
    #[default]
    #[serde(other)]
    Other,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_older_and_newer_versions_are_read() -> serde_json::Result<()> {
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

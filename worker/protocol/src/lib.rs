//! Messages between the page and its workers.
//!
//! Clients send [`Request`]s to the engine's worker, which answers with [`Event`]s. Both are plain data with a JSON form
//! (`{"type": "api", ...}`), so JavaScript can use the protocol, too. Requests to models are those of the `OpenAI` API, see
//! [`openai`]. The messages of the library worker are in [`library`], those of the worker that reads documents in
//! [`documents`], and those of the worker that draws pages of PDF files in [`scans`]. [`quoting`] says how files are put into prompts.

mod abilities;
pub mod documents;
mod failure;
pub mod library;
mod models;
pub mod openai;
pub mod quoting;
pub mod scans;
mod source;
mod warning;

pub use abilities::Abilities;
pub use failure::{Failure, FailureKind, Reason};
pub use models::{ModelDescription, ModelInfo, SelfTest, StorageInfo, StoredModel, model_name};
pub use source::{ModelSource, hugging_face_url, is_ggml_name};
pub use warning::{Warning, WarningReason};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::openai::Endpoint;

/// Identifies a request in the events about it. Each client numbers its own requests.
pub type RequestId = u32;

/// A request of a client to the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// Load a model. Ends in [`Event::Loaded`] or [`Event::Failed`].
    Load {
        /// This request.
        id: RequestId,
        /// The model's source.
        source: ModelSource,
        /// The URL of the projector with which the model sees images or hears recordings. If absent, one that lies beside the model is
        /// used; an empty string loads none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        projector: Option<String>,
        /// A smaller model with the same vocabulary that drafts the answers of this one, so that they come faster. Its file, if it is one of
        /// the user's, is sent with those of the model and found by its name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        draft_model: Option<ModelSource>,
        /// Context length in tokens, for prompt and answer together; chosen by the worker if absent.
        context_tokens: Option<u32>,
        /// Keep the loaded models, instead of unloading them first.
        #[serde(default)]
        beside: bool,
        /// Do nothing if a chat model is loaded already, for example by another tab.
        #[serde(default)]
        unless_loaded: bool,
    },
    /// Describe a model and what it needs on this device, from its header alone. Ends in [`Event::Inspected`] or [`Event::Failed`].
    Inspect {
        /// This request.
        id: RequestId,
        /// The model's source.
        source: ModelSource,
        /// As in [`Request::Load`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        projector: Option<String>,
        /// As in [`Request::Load`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        draft_model: Option<ModelSource>,
        /// Context length in tokens to plan for; chosen by the worker if absent.
        context_tokens: Option<u32>,
    },
    /// Download a model, and its projector if it has one, onto this device without loading them. Other requests are answered meanwhile.
    /// Ends in [`Event::Fetched`] or [`Event::Failed`].
    Fetch {
        /// This request.
        id: RequestId,
        /// The model's source: a URL.
        source: ModelSource,
        /// As in [`Request::Load`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        projector: Option<String>,
    },
    /// A request of the `OpenAI` API. Ends in [`Event::Response`] or [`Event::Failed`], after [`Event::Chunk`]s if it is
    /// streamed.
    Api {
        /// This request.
        id: RequestId,
        /// Its endpoint.
        endpoint: Endpoint,
        /// Its body.
        #[serde(default)]
        body: Value,
    },
    /// Stop a request. Chunks sent so far remain valid.
    Interrupt {
        /// The request to stop.
        id: RequestId,
    },
    /// Unload a model, or all. Ends in [`Event::Unloaded`].
    Unload {
        /// This request.
        id: RequestId,
        /// The model's name; all models if absent.
        #[serde(default)]
        model: Option<String>,
    },
    /// Change the worker's settings, for all clients.
    Configure {
        /// The settings; absent ones take their defaults.
        settings: Settings,
        /// Tokens for hosts that ask for one. If absent, they stay as they are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tokens: Option<Vec<HostToken>>,
    },
    /// List the models stored on this device. Ends in [`Event::Storage`].
    Storage {
        /// This request.
        id: RequestId,
    },
    /// Store a copy of the files that are sent with the request, see [`FILES_KEY`]. Ends in [`Event::Storage`].
    Import {
        /// This request.
        id: RequestId,
    },
    /// Delete a stored model. Ends in [`Event::Storage`].
    Delete {
        /// This request.
        id: RequestId,
        /// See [`StoredModel::url`].
        url: String,
    },
    /// Verify the checksum of a stored model. Ends in [`Event::Verified`].
    Verify {
        /// This request.
        id: RequestId,
        /// See [`StoredModel::url`].
        url: String,
    },
    /// Count the tokens of a text with the tokenizer of the loaded chat model. Ends in [`Event::Counted`] or [`Event::Failed`].
    CountTokens {
        /// This request.
        id: RequestId,
        /// The text.
        text: String,
    },
    /// Save the KV cache of the last conversation. Ends in [`Event::Saved`].
    SaveConversation {
        /// This request.
        id: RequestId,
        /// A name for it.
        name: String,
    },
    /// Restore a saved KV cache, so that its conversation continues without prefill. Ends in [`Event::Saved`].
    RestoreConversation {
        /// This request.
        id: RequestId,
        /// The name it was saved by.
        name: String,
    },
    /// Delete all saved KV caches and kept responses. Ends in [`Event::Storage`].
    DeleteConversations {
        /// This request.
        id: RequestId,
    },
}

impl Request {
    /// The request with Hugging Face paths replaced by their URLs, so that a model has the same name everywhere.
    #[must_use]
    pub fn resolved(mut self) -> Self {
        if let Self::Load { draft_model: Some(draft), .. } | Self::Inspect { draft_model: Some(draft), .. } = &mut self
        {
            *draft = draft.clone().resolved();
        }
        match &mut self {
            Self::Load { source, projector, .. }
            | Self::Inspect { source, projector, .. }
            | Self::Fetch { source, projector, .. } => {
                *source = source.clone().resolved();
                if let Some(address) = projector.as_deref().and_then(hugging_face_url) {
                    *projector = Some(address);
                }
            }
            Self::Delete { url, .. } | Self::Verify { url, .. } => {
                if let Some(address) = hugging_face_url(url) {
                    *url = address;
                }
            }
            _ => {}
        }
        self
    }

    /// The request's id; `None` if no event refers to it.
    pub fn id(&self) -> Option<RequestId> {
        match self {
            Self::Load { id, .. }
            | Self::Inspect { id, .. }
            | Self::Fetch { id, .. }
            | Self::Api { id, .. }
            | Self::Interrupt { id }
            | Self::Unload { id, .. }
            | Self::Storage { id }
            | Self::Import { id }
            | Self::Delete { id, .. }
            | Self::Verify { id, .. }
            | Self::CountTokens { id, .. }
            | Self::SaveConversation { id, .. }
            | Self::RestoreConversation { id, .. }
            | Self::DeleteConversations { id } => Some(*id),
            Self::Configure { .. } => None,
        }
    }
}

/// What a host wants to know before it sends files of a gated repository. It is sent to that host alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostToken {
    /// The host's origin, such as `https://huggingface.co`.
    pub origin: String,
    /// The token.
    pub token: String,
}

impl std::fmt::Debug for HostToken {
    /// Leaves the token out, so that no log has it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("HostToken").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// The device that models run on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceChoice {
    /// The GPU through WebGPU; the CPU if there is no WebGPU or only a software adapter.
    #[default]
    Auto,
    /// WebGPU, even with a software adapter.
    Gpu,
    /// The CPU.
    Cpu,
}

/// The format of the KV cache on a GPU. On the CPU it is always 32-bit floats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KvCache {
    /// 16-bit floats.
    #[default]
    F16,
    /// Quantised to 8 bits with scales, which takes a little more than half the memory. Models whose head size is not a multiple of 32
    /// use 16 bits.
    Q8,
}

/// The worker's settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Unload models after this many seconds without a request; never if absent.
    pub idle_unload_seconds: Option<f64>,
    /// Maximum memory of all loaded models in bytes; the least recently used are unloaded first. No limit if absent.
    pub budget_bytes: Option<f64>,
    /// The device for models loaded from now on.
    pub device: DeviceChoice,
    /// The format of their KV cache.
    pub kv_cache: KvCache,
    /// How many answers a model computes together at most, up to 16, each with a context of its own; 4 if absent.
    pub parallel: Option<u32>,
}

/// The key of the request in a message to the worker.
pub const REQUEST_KEY: &str = "request";
/// The key of the recording in a message with a request for [`Endpoint::Transcriptions`] or [`Endpoint::Translations`]: a
/// `Blob`, or an `Int16Array` of 16,000 samples per second, one channel. In the `OpenAI` API it is a field, `file`.
pub const SOUND_KEY: &str = "sound";
/// The key of the array of `File`s in a message to the worker with [`ModelSource::File`] or [`Request::Import`].
pub const FILES_KEY: &str = "files";

/// A message of the worker to a client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The worker has started and accepts requests.
    Ready,
    /// A request has made progress.
    Progress {
        /// The request.
        id: RequestId,
        /// Its current phase.
        phase: Phase,
        /// Units done: bytes, steps for [`Phase::See`], tokens for [`Phase::Prefill`], or seconds of a recording for
        /// [`Phase::Listen`].
        done: f64,
        /// Units in total, if known.
        total: Option<f64>,
        /// Seconds since the phase began.
        seconds: f64,
    },
    /// A model is loaded and ready.
    Loaded {
        /// The request.
        id: RequestId,
        /// The model.
        model: ModelInfo,
    },
    /// The current chat model has changed: another client loaded or unloaded one, or it was unloaded because it was idle.
    ModelChanged {
        /// The current model; `None` if there is none.
        model: Option<ModelInfo>,
    },
    /// The result of [`Request::Inspect`].
    Inspected {
        /// The request.
        id: RequestId,
        /// The model.
        model: ModelDescription,
    },
    /// The result of [`Request::Fetch`]: the model is on this device.
    Fetched {
        /// The request.
        id: RequestId,
    },
    /// The memory has been freed.
    Unloaded {
        /// The request.
        id: RequestId,
    },
    /// A chunk of a streamed response.
    Chunk {
        /// The request.
        id: RequestId,
        /// The chunk, as in the `OpenAI` API.
        body: Value,
    },
    /// A request of the API is done.
    Response {
        /// The request.
        id: RequestId,
        /// The response; absent if it was streamed.
        body: Option<Value>,
    },
    /// The models stored on this device.
    Storage {
        /// The request.
        id: RequestId,
        /// The models and the space they take.
        storage: StorageInfo,
    },
    /// The result of [`Request::Verify`].
    Verified {
        /// The request.
        id: RequestId,
        /// The model.
        url: String,
        /// Whether its checksum is right.
        is_intact: bool,
    },
    /// The result of [`Request::CountTokens`].
    Counted {
        /// The request.
        id: RequestId,
        /// The number of tokens.
        tokens: u32,
    },
    /// A KV cache was saved or restored.
    Saved {
        /// The request.
        id: RequestId,
        /// Tokens in it.
        tokens: u32,
    },
    /// The device failed and was opened again; active requests continue.
    Recovered {
        /// The error.
        message: String,
    },
    /// A request failed.
    Failed {
        /// The request.
        id: RequestId,
        /// What went wrong.
        failure: Failure,
    },
    /// The worker has crashed. No event follows.
    Panicked {
        /// Details for a bug report.
        message: String,
    },
}

/// A phase of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Opening the device.
    Start,
    /// Downloading the model, and loading it into memory as it comes.
    Download,
    /// Loading a model into memory that is on this device, or the end of a download.
    Upload,
    /// Compiling kernels and warming up.
    Prepare,
    /// Encoding the images of a request.
    See,
    /// Processing the prompt.
    Prefill,
    /// Decoding the recording of a request. What is done is a part of 1.
    Decode,
    /// Transcribing it, or encoding the recordings of a chat's request.
    Listen,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_form_is_stable() -> serde_json::Result<()> {
        let json = r#"{"type":"api","id":3,"endpoint":"chat_completions","body":{"messages":[]}}"#;
        let request: Request = serde_json::from_str(json)?;
        let body = serde_json::json!({ "messages": [] });
        assert_eq!(request, Request::Api { id: 3, endpoint: Endpoint::ChatCompletions, body });
        let failure = Failure::new(FailureKind::NoWebGpu, "m");
        assert_eq!(
            serde_json::to_string(&Event::Failed { id: 1, failure })?,
            r#"{"type":"failed","id":1,"failure":{"kind":"no_web_gpu","reason":{"code":"other"},"message":"m","suggested_context_tokens":null,"status":503,"error":{"message":"m","type":"server_error","param":null,"code":null}}}"#
        );
        let source = ModelSource::Url { url: "https://example.org/m.gguf".to_owned() };
        let load = Request::Load {
            id: 1,
            source,
            projector: None,
            draft_model: None,
            context_tokens: None,
            beside: false,
            unless_loaded: false,
        };
        assert_eq!(
            serde_json::to_string(&load)?,
            r#"{"type":"load","id":1,"source":{"kind":"url","url":"https://example.org/m.gguf"},"context_tokens":null,"beside":false,"unless_loaded":false}"#
        );
        Ok(())
    }

    #[test]
    fn tokens_are_optional_and_never_printed() -> serde_json::Result<()> {
        let settings: Request = serde_json::from_str(r#"{"type":"configure","settings":{}}"#)?;
        assert_eq!(settings, Request::Configure { settings: Settings::default(), tokens: None });
        let token = HostToken { origin: "https://host".to_owned(), token: "secret".to_owned() };
        let request = Request::Configure { settings: Settings::default(), tokens: Some(vec![token]) };
        assert!(!format!("{request:?}").contains("secret"));
        assert_eq!(serde_json::from_str::<Request>(&serde_json::to_string(&request)?)?, request);
        Ok(())
    }

    #[test]
    fn all_requests_resolve_hugging_face_paths() {
        let url = "a/b/c.gguf".to_owned();
        let address = "https://huggingface.co/a/b/resolve/main/c.gguf".to_owned();
        let delete = Request::Delete { id: 1, url: url.clone() }.resolved();
        assert_eq!(delete, Request::Delete { id: 1, url: address.clone() });
        let source = ModelSource::Url { url };
        let fetch =
            Request::Fetch { id: 1, source: source.clone(), projector: Some("a/b/c.gguf".to_owned()) }.resolved();
        let inspect = |source: &ModelSource| Request::Inspect {
            id: 1,
            source: source.clone(),
            projector: None,
            draft_model: Some(source.clone()),
            context_tokens: None,
        };
        let inspected = inspect(&source).resolved();
        let source = ModelSource::Url { url: address.clone() };
        assert_eq!(fetch, Request::Fetch { id: 1, source: source.clone(), projector: Some(address) });
        assert_eq!(inspected, inspect(&source));
    }
}

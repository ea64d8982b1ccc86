//! Messages between the page and the worker.
//!
//! The page sends [`Request`]s, the worker answers with [`Event`]s. Both are plain data with one JSON form
//! (`{"type": "api", ...}`), so that JavaScript can speak the protocol, too. What models are asked has the form of the
//! `OpenAI` API, see [`openai`].

mod failure;
pub mod library;
pub mod openai;
mod source;

pub use failure::{Failure, FailureKind, Reason};
pub use source::{ModelSource, hugging_face_url};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::openai::Endpoint;

/// Names a request in the events about it. Each client counts up.
pub type RequestId = u32;

/// What a client asks of the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// Load a model. Ends in [`Event::Loaded`] or [`Event::Failed`].
    Load {
        /// This request.
        id: RequestId,
        /// Where the model comes from.
        source: ModelSource,
        /// Tokens that prompt and answer may have together; the worker's choice if absent.
        context_tokens: Option<u32>,
        /// Keep the models that are loaded, rather than freeing their memory first.
        #[serde(default)]
        beside: bool,
        /// Be content with any model that chats and is loaded already, as another tab may have chosen it.
        #[serde(default)]
        unless_loaded: bool,
    },
    /// Say what a model is and whether it fits, from its header alone. Ends in [`Event::Inspected`] or [`Event::Failed`].
    Inspect {
        /// This request.
        id: RequestId,
        /// Where the model comes from.
        source: ModelSource,
        /// Tokens of context to plan for; the worker's choice if absent.
        context_tokens: Option<u32>,
    },
    /// A request of the `OpenAI` API. Ends in [`Event::Response`] or [`Event::Failed`], after [`Event::Chunk`]s if it
    /// asks for a stream.
    Api {
        /// This request.
        id: RequestId,
        /// Its path.
        endpoint: Endpoint,
        /// Its body.
        #[serde(default)]
        body: Value,
    },
    /// Stop a request. What was answered so far stays.
    Interrupt {
        /// The request to stop.
        id: RequestId,
    },
    /// Free a model's memory, or all. Ends in [`Event::Unloaded`].
    Unload {
        /// This request.
        id: RequestId,
        /// Its name; all models if absent.
        #[serde(default)]
        model: Option<String>,
    },
    /// Change how the worker behaves, for all clients.
    Configure {
        /// The choices.
        settings: Settings,
    },
    /// What is kept on this device. Ends in [`Event::Storage`].
    Storage {
        /// This request.
        id: RequestId,
    },
    /// Keep a copy of the files that travel beside the request. Ends in [`Event::Storage`].
    Import {
        /// This request.
        id: RequestId,
    },
    /// Delete a kept model. Ends in [`Event::Storage`].
    Delete {
        /// This request.
        id: RequestId,
        /// See [`StoredModel::url`].
        url: String,
    },
    /// Read a kept model and compare it with its checksum. Ends in [`Event::Verified`].
    Verify {
        /// This request.
        id: RequestId,
        /// See [`StoredModel::url`].
        url: String,
    },
    /// Count the tokens of a text, by the tokenizer of the model that chats. Ends in [`Event::Counted`] or [`Event::Failed`].
    CountTokens {
        /// This request.
        id: RequestId,
        /// The text.
        text: String,
    },
    /// Keep the KV cache of the conversation answered last. Ends in [`Event::Saved`].
    SaveConversation {
        /// This request.
        id: RequestId,
        /// A name to find it by.
        name: String,
    },
    /// Put a kept KV cache back, so that its conversation goes on without being read again. Ends in [`Event::Saved`].
    RestoreConversation {
        /// This request.
        id: RequestId,
        /// Its name.
        name: String,
    },
    /// Delete all kept KV caches. Ends in [`Event::Storage`].
    DeleteConversations {
        /// This request.
        id: RequestId,
    },
}

impl Request {
    /// The request with names on Hugging Face turned into addresses, so that a model has one name everywhere.
    #[must_use]
    pub fn resolved(mut self) -> Self {
        match &mut self {
            Self::Load { source, .. } | Self::Inspect { source, .. } => *source = source.clone().resolved(),
            Self::Delete { url, .. } | Self::Verify { url, .. } => {
                if let Some(address) = hugging_face_url(url) {
                    *url = address;
                }
            }
            _ => {}
        }
        self
    }

    /// The request's number, if events will tell of it.
    pub fn id(&self) -> Option<RequestId> {
        match self {
            Self::Load { id, .. }
            | Self::Inspect { id, .. }
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

/// What models are computed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceChoice {
    /// The GPU through WebGPU; the CPU where that is missing or computes on the CPU itself.
    #[default]
    Auto,
    /// WebGPU, whatever it computes on.
    Gpu,
    /// The CPU.
    Cpu,
}

/// How keys and values of a conversation are kept on a GPU; on the CPU they are whole floats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KvCache {
    /// In 16 bits.
    #[default]
    F16,
    /// In 8 bits with scales: a little more than half of the memory. Models whose heads are no multiple of 32 elements keep 16.
    Q8,
}

/// How the worker behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Free models' memory after so many seconds without a request; never if absent.
    pub idle_unload_seconds: Option<f64>,
    /// Bytes that models loaded beside each other may take; those used longest ago go first. No limit if absent.
    pub budget_bytes: Option<f64>,
    /// What models loaded from now on are computed on.
    pub device: DeviceChoice,
    /// How they keep keys and values.
    pub kv_cache: KvCache,
}

/// The key of the request in a message to the worker.
pub const REQUEST_KEY: &str = "request";
/// The key of the array of `File`s that goes with [`ModelSource::File`] and [`Request::Import`] in a message to the worker.
pub const FILES_KEY: &str = "files";

/// What the worker tells a client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The worker runs and takes requests.
    Ready,
    /// A request got further.
    Progress {
        /// The request.
        id: RequestId,
        /// What it is doing.
        phase: Phase,
        /// Units done: bytes, or tokens for [`Phase::Prefill`].
        done: f64,
        /// Units in all, if known.
        total: Option<f64>,
        /// Seconds since the phase began.
        seconds: f64,
    },
    /// The model is ready.
    Loaded {
        /// The request.
        id: RequestId,
        /// What was loaded.
        model: ModelInfo,
    },
    /// Another model answers now, or none: somebody else loaded or freed one, or it was idle for too long.
    ModelChanged {
        /// What answers now.
        model: Option<ModelInfo>,
    },
    /// What a model is.
    Inspected {
        /// The request.
        id: RequestId,
        /// What its header says.
        model: ModelDescription,
    },
    /// The memory is free.
    Unloaded {
        /// The request.
        id: RequestId,
    },
    /// A piece of a streamed response.
    Chunk {
        /// The request.
        id: RequestId,
        /// As the `OpenAI` API has it.
        body: Value,
    },
    /// A request of the API is done.
    Response {
        /// The request.
        id: RequestId,
        /// The response; nothing after chunks.
        body: Option<Value>,
    },
    /// What is kept on this device.
    Storage {
        /// The request.
        id: RequestId,
        /// The models and the room.
        storage: StorageInfo,
    },
    /// A kept model was read and compared.
    Verified {
        /// The request.
        id: RequestId,
        /// The model.
        url: String,
        /// Whether it is what it was.
        is_intact: bool,
    },
    /// The tokens of a text.
    Counted {
        /// The request.
        id: RequestId,
        /// How many there are.
        tokens: u32,
    },
    /// A KV cache was kept or put back.
    Saved {
        /// The request.
        id: RequestId,
        /// Tokens in it.
        tokens: u32,
    },
    /// The device failed and was opened anew; what was under way goes on.
    Recovered {
        /// What had happened.
        message: String,
    },
    /// A request failed.
    Failed {
        /// The request.
        id: RequestId,
        /// What went wrong.
        failure: Failure,
    },
    /// The worker is about to die of a fault of its own. No event follows.
    Panicked {
        /// Details for a bug report.
        message: String,
    },
}

/// What is kept on this device.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StorageInfo {
    /// Models, those used last first.
    pub models: Vec<StoredModel>,
    /// Bytes that this site takes.
    pub used_bytes: f64,
    /// Bytes that the browser gives this site at most.
    pub quota_bytes: f64,
}

/// A model kept on this device, in one file or several.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StoredModel {
    /// The file's name.
    pub name: String,
    /// Where it came from: what [`Request::Load`] takes to load it. Of several files that of the first.
    pub url: String,
    /// Bytes in all.
    pub len_bytes: f64,
    /// Bytes that are here.
    pub done_bytes: f64,
    /// Seconds since 1970 when it was loaded last.
    pub used_seconds: f64,
    /// Whether the source told a checksum, and it was right.
    pub is_verified: bool,
}

/// What a request is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Opening the GPU.
    Start,
    /// Bringing the model onto this device.
    Download,
    /// Putting the model onto the GPU.
    Upload,
    /// Compiling kernels and warming up.
    Prepare,
    /// Reading the prompt.
    Prefill,
}

/// What came of comparing a GPU's results with the CPU's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SelfTest {
    /// They were the same, or there is no GPU.
    #[default]
    Passed,
    /// Simpler kernels, which were right where others were not, are in use.
    Plain,
    /// Simpler kernels were wrong, too: the model is computed on the CPU.
    Failed,
}

/// A loaded model, for display.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Name from the file.
    pub name: String,
    /// Its address; absent where it comes from a file of the user's.
    #[serde(default)]
    pub url: Option<String>,
    /// Whether it answers, rather than turning texts into vectors.
    pub can_chat: bool,
    /// Tokens that prompt and answer may have together.
    pub context_tokens: u32,
    /// The most that it may be loaded with: what it was trained for and this device can bind.
    pub max_context_tokens: u32,
    /// The GPU.
    pub adapter: String,
    /// The adapter computes on the CPU: expect it to be slow.
    pub is_software: bool,
    /// The model is computed on the CPU, without WebGPU.
    pub is_cpu: bool,
    /// Whether the GPU computed right when it was tried.
    #[serde(default)]
    pub self_test: SelfTest,
    /// The optional features of the GPU that are in use.
    pub features: Vec<String>,
    /// Bytes of weights on the device.
    pub weight_bytes: f64,
    /// Bytes of the KV cache there.
    pub kv_bytes: f64,
    /// Something the user should know, such as a template that was replaced.
    pub warning: Option<String>,
    /// Bytes read from the source.
    pub len_bytes: f64,
    /// Seconds from request to readiness.
    pub load_seconds: f64,
    /// The most memory the worker has had beside the GPU's, in bytes.
    pub peak_memory_bytes: f64,
}

/// A model as its header describes it, with what it takes on this device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelDescription {
    /// Name from the file.
    pub name: String,
    /// Family, for example `qwen3`.
    pub architecture: String,
    /// Storage formats of the weights, the largest share first.
    pub formats: Vec<String>,
    /// Weights.
    pub parameters: f64,
    /// Bytes of the file or files.
    pub len_bytes: f64,
    /// Files.
    pub parts: u32,
    /// Bytes of weights on the GPU.
    pub weight_bytes: f64,
    /// Bytes of the KV cache for `context_tokens`.
    pub kv_bytes: f64,
    /// Bytes of activations.
    pub scratch_bytes: f64,
    /// Tokens that prompt and answer may have together.
    pub context_tokens: u32,
    /// The most that the model was trained for and this device can bind.
    pub max_context_tokens: u32,
    /// Whether it answers, rather than turning texts into vectors.
    pub can_chat: bool,
    /// Something the user should know, such as a template that is replaced.
    pub warning: Option<String>,
    /// Bytes of it that are on this device already.
    pub stored_bytes: f64,
    /// Bytes that the browser still gives this site, if it says so.
    pub free_bytes: Option<f64>,
}

impl ModelDescription {
    /// Memory on the GPU in all, in bytes.
    pub fn total_bytes(&self) -> f64 {
        self.weight_bytes + self.kv_bytes + self.scratch_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_form_is_the_documented_one() -> serde_json::Result<()> {
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
        let load = Request::Load { id: 1, source, context_tokens: None, beside: false, unless_loaded: false };
        assert_eq!(
            serde_json::to_string(&load)?,
            r#"{"type":"load","id":1,"source":{"kind":"url","url":"https://example.org/m.gguf"},"context_tokens":null,"beside":false,"unless_loaded":false}"#
        );
        Ok(())
    }

    #[test]
    fn a_model_has_one_name_in_all_requests() {
        let url = "a/b/c.gguf".to_owned();
        let address = "https://huggingface.co/a/b/resolve/main/c.gguf".to_owned();
        let delete = Request::Delete { id: 1, url: url.clone() }.resolved();
        assert_eq!(delete, Request::Delete { id: 1, url: address.clone() });
        let source = ModelSource::Url { url };
        let inspect = Request::Inspect { id: 1, source, context_tokens: None }.resolved();
        let source = ModelSource::Url { url: address };
        assert_eq!(inspect, Request::Inspect { id: 1, source, context_tokens: None });
    }
}

//! What clients are told of models: loaded, stored, or only read of.

use serde::{Deserialize, Serialize};

use crate::Warning;
use crate::abilities::{Abilities, Capability};

/// The models stored on this device.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StorageInfo {
    /// The models, the most recently used first.
    pub models: Vec<StoredModel>,
    /// Bytes that this site has stored.
    pub used_bytes: f64,
    /// This site's storage quota in bytes.
    pub quota_bytes: f64,
}

/// A model stored on this device, in one file or several.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StoredModel {
    /// The file's name.
    pub name: String,
    /// The URL it came from, for [`Request::Load`](crate::Request::Load); for a split model, that of the first file.
    pub url: String,
    /// Size in bytes.
    pub len_bytes: f64,
    /// Bytes that have been downloaded.
    pub done_bytes: f64,
    /// When it was last loaded, in seconds since 1970.
    pub used_seconds: f64,
    /// Whether it was verified against a checksum from its source.
    pub is_verified: bool,
    /// What it can do; absent if it has not been loaded yet.
    #[serde(default)]
    pub abilities: Option<Abilities>,
    /// Whether it is no model but a projector, which lets a model see images or hear recordings.
    #[serde(default)]
    pub is_projector: bool,
    /// Whether it is a model that a projector on this device belongs to.
    #[serde(default)]
    pub can_see: bool,
}

/// The name of a model whose file has this name: without the extension. Requests may name a model by either.
pub fn model_name(file_name: &str) -> &str {
    [".gguf", ".bin"].iter().find_map(|extension| file_name.strip_suffix(extension)).unwrap_or(file_name)
}

/// The result of comparing a GPU's kernels with their references on the CPU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SelfTest {
    /// The results agree, or there is no GPU.
    #[default]
    Passed,
    /// Some results were wrong; simpler kernels with right results are used.
    Plain,
    /// Simpler kernels were wrong, too; the model runs on the CPU.
    Failed,
}

/// A loaded model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent facts")]
pub struct ModelInfo {
    /// Name according to the file's metadata.
    pub name: String,
    /// Its URL; absent if it was loaded from a local file.
    #[serde(default)]
    pub url: Option<String>,
    /// Whether it is a chat model, not an embedding model or a ranker.
    pub can_chat: bool,
    /// What it can do.
    #[serde(default)]
    pub capabilities: Vec<Capability>,
    /// Whether it sees images, because a projector was loaded with it.
    #[serde(default)]
    pub can_see: bool,
    /// Context length in tokens, for prompt and answer together.
    pub context_tokens: u32,
    /// The maximum context length that it can be loaded with: the smaller of what it was trained for and what this device can bind.
    pub max_context_tokens: u32,
    /// The device's name.
    pub adapter: String,
    /// Whether the adapter is a software adapter, which is slow.
    pub is_software: bool,
    /// Whether the model runs on the CPU, without WebGPU.
    pub is_cpu: bool,
    /// The result of the GPU's self-test.
    #[serde(default)]
    pub self_test: SelfTest,
    /// Optional GPU features in use.
    pub features: Vec<String>,
    /// Size of the weights in device memory, in bytes.
    pub weight_bytes: f64,
    /// Size of the KV cache in device memory, in bytes.
    pub kv_bytes: f64,
    /// What the user should know, for example that the chat template was replaced, in English.
    pub warning: Option<String>,
    /// The same, one by one.
    #[serde(default)]
    pub warnings: Vec<Warning>,
    /// Bytes read from the source.
    pub len_bytes: f64,
    /// How long loading took, in seconds.
    pub load_seconds: f64,
    /// The worker's peak memory, without GPU memory, in bytes.
    pub peak_memory_bytes: f64,
}

impl ModelInfo {
    /// What it can do.
    pub fn abilities(&self) -> Abilities {
        Abilities { capabilities: self.capabilities.clone(), context_tokens: self.context_tokens }
    }
}

/// A model as described by its header, with the memory it needs on this device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelDescription {
    /// Name according to the file's metadata.
    pub name: String,
    /// Architecture, for example `qwen3`.
    pub architecture: String,
    /// Formats of the weights, the one with the largest share first.
    pub formats: Vec<String>,
    /// Number of parameters.
    pub parameters: f64,
    /// Size of all files in bytes.
    pub len_bytes: f64,
    /// Number of files.
    pub parts: u32,
    /// Size of the weights in device memory, in bytes.
    pub weight_bytes: f64,
    /// Size of the KV cache for `context_tokens`, in bytes.
    pub kv_bytes: f64,
    /// Size of the activation buffers in bytes.
    pub scratch_bytes: f64,
    /// Context length in tokens, for prompt and answer together.
    pub context_tokens: u32,
    /// The maximum context length: the smaller of what the model was trained for and what this device can bind.
    pub max_context_tokens: u32,
    /// Whether it is a chat model, not an embedding model.
    pub can_chat: bool,
    /// The file of the projector with which it sees images or hears recordings, if there is one. All sizes include it.
    #[serde(default)]
    pub projector: Option<String>,
    /// The file of its draft model, if it was requested. All sizes include it.
    #[serde(default)]
    pub draft_model: Option<String>,
    /// What the user should know, for example that the chat template is replaced, in English.
    pub warning: Option<String>,
    /// The same, one by one.
    #[serde(default)]
    pub warnings: Vec<Warning>,
    /// Bytes of it that are stored on this device already.
    pub stored_bytes: f64,
    /// Free bytes of this site's storage quota, if known.
    pub free_bytes: Option<f64>,
}

impl ModelDescription {
    /// Device memory in total, in bytes.
    pub fn total_bytes(&self) -> f64 {
        self.weight_bytes + self.kv_bytes + self.scratch_bytes
    }
}

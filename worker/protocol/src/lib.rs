//! Messages between the page and the worker.
//!
//! The page sends [`Request`]s, the worker answers with [`Event`]s. Both are plain data with one JSON form
//! (`{"type": "chat", ...}`), so that JavaScript can speak the protocol, too.

pub mod openai;

use serde::{Deserialize, Serialize};

/// Names a request in the events about it. The page counts up.
pub type RequestId = u32;

/// What the page asks of the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// Load a model, in place of the one loaded. Ends in [`Event::Loaded`] or [`Event::Failed`].
    Load {
        /// This request.
        id: RequestId,
        /// Where the model comes from.
        source: ModelSource,
        /// Tokens that prompt and answer may have together; the worker's choice if absent.
        context_tokens: Option<u32>,
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
    /// Answer a conversation. Ends in [`Event::Finished`] or [`Event::Failed`].
    Chat {
        /// This request.
        id: RequestId,
        /// The conversation; the last message is the one to answer.
        messages: Vec<Message>,
        /// How to sample.
        sampling: Sampling,
        /// Most tokens of the answer; up to the end of the context if absent.
        max_tokens: Option<u32>,
    },
    /// Turn texts into vectors, with an embedding model. Ends in [`Event::Embedded`] or [`Event::Failed`].
    Embed {
        /// This request.
        id: RequestId,
        /// The texts.
        texts: Vec<String>,
    },
    /// Stop a request. What was answered so far stays.
    Interrupt {
        /// The request to stop.
        id: RequestId,
    },
    /// Free the model's memory.
    Unload,
}

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ModelSource {
    /// An absolute URL; of a model in several files that of any part.
    Url {
        /// The URL.
        url: String,
    },
    /// A file of the user's, or all parts of a model in several files, which travel beside the request (see
    /// [`FILES_KEY`]).
    File {
        /// The name of the first, for messages.
        name: String,
    },
}

/// The address of a file that is named as on Hugging Face: `owner/repository/file.gguf`, or the address of the page that
/// shows it there; `None` for everything else.
pub fn hugging_face_url(text: &str) -> Option<String> {
    const HOST: &str = "https://huggingface.co/";
    let text = text.trim();
    if let Some(path) = text.strip_prefix(HOST) {
        let (repository, file) = path.split_once("/blob/")?;
        return Some(format!("{HOST}{repository}/resolve/{file}"));
    }
    let parts: Vec<&str> = text.split('/').collect();
    let is_name = |part: &&str| {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !part.is_empty() && !part.starts_with('.') && part.chars().all(is_allowed)
    };
    match parts.as_slice() {
        // A host has a dot, an owner has none.
        [owner, repository, file @ ..] if !file.is_empty() && !owner.contains('.') && parts.iter().all(is_name) => text
            .to_lowercase()
            .ends_with(".gguf")
            .then(|| format!("{HOST}{owner}/{repository}/resolve/main/{}", file.join("/"))),
        _ => None,
    }
}

/// The key of the request in a message to the worker.
pub const REQUEST_KEY: &str = "request";
/// The key of the array of `File`s that goes with [`ModelSource::File`] in a message to the worker.
pub const FILES_KEY: &str = "files";

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What they say.
    pub content: String,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Instructions.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// The role's name in chat templates.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// How to sample. Fields left out in JSON take the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// 0 takes the likeliest token.
    pub temperature: f32,
    /// Keep the likeliest tokens whose probabilities reach this sum.
    pub top_p: f32,
    /// Keep this many of the likeliest tokens; 0 keeps all.
    pub top_k: u32,
    /// Keep tokens at least this likely relative to the likeliest.
    pub min_p: f32,
    /// Makes tokens that were seen less likely; 1 changes nothing.
    pub repetition_penalty: f32,
    /// Makes a token less likely each time it is generated.
    pub frequency_penalty: f32,
    /// Makes a token that was generated less likely.
    pub presence_penalty: f32,
    /// Makes an answer repeatable; random if absent.
    pub seed: Option<u32>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.7,
            top_p: 0.9,
            top_k: 0,
            min_p: 0.0,
            repetition_penalty: 1.1,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            seed: None,
        }
    }
}

/// What the worker tells the page.
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
    /// What a model is.
    Inspected {
        /// The request.
        id: RequestId,
        /// What its header says.
        model: ModelDescription,
    },
    /// The model's memory is free.
    Unloaded,
    /// More of an answer.
    Delta {
        /// The request.
        id: RequestId,
        /// Text to append.
        text: String,
    },
    /// An answer is complete.
    Finished {
        /// The request.
        id: RequestId,
        /// Why it ended.
        reason: FinishReason,
        /// What it took.
        usage: Usage,
    },
    /// Texts are vectors.
    Embedded {
        /// The request.
        id: RequestId,
        /// One for each text, in order.
        embeddings: Vec<Embedding>,
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

/// The vector of a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Embedding {
    /// Of length one.
    pub vector: Vec<f32>,
    /// Tokens of the text.
    pub tokens: u32,
    /// The text was too long; its end was left out.
    pub is_truncated: bool,
}

/// What a request is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Opening the GPU.
    Start,
    /// Streaming the model from its source to the GPU.
    Download,
    /// Compiling kernels and warming up.
    Prepare,
    /// Reading the prompt.
    Prefill,
}

/// A loaded model, for display.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Name from the file.
    pub name: String,
    /// Whether it answers, rather than turning texts into vectors.
    pub can_chat: bool,
    /// Tokens that prompt and answer may have together.
    pub context_tokens: u32,
    /// The GPU.
    pub adapter: String,
    /// The adapter computes on the CPU: expect it to be slow.
    pub is_software: bool,
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
}

impl ModelDescription {
    /// Memory on the GPU in all, in bytes.
    pub fn total_bytes(&self) -> f64 {
        self.weight_bytes + self.kv_bytes + self.scratch_bytes
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended it.
    Stop,
    /// `max_tokens` or the context's end.
    Length,
    /// [`Request::Interrupt`].
    Interrupted,
}

/// What an answer took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Of these, tokens that were in the KV cache already.
    pub cached_tokens: u32,
    /// Tokens of the answer.
    pub completion_tokens: u32,
    /// Seconds from the request to the first token.
    pub first_token_seconds: f64,
    /// Seconds spent on reading the prompt.
    pub prefill_seconds: f64,
    /// Seconds spent on the answer.
    pub decode_seconds: f64,
}

impl Usage {
    /// Speed of the answer, if it has a token.
    pub fn decode_tokens_per_second(&self) -> Option<f64> {
        (self.completion_tokens > 0 && self.decode_seconds > 0.0)
            .then(|| f64::from(self.completion_tokens) / self.decode_seconds)
    }
}

/// What went wrong, for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of thing it is, so that the page can offer help.
    pub kind: FailureKind,
    /// A sentence that says what is wrong and, where possible, what to do.
    pub message: String,
    /// Tokens of context that would fit, where a smaller context helps.
    pub suggested_context_tokens: Option<u32>,
}

/// Kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The browser has no WebGPU, or it gives no adapter.
    NoWebGpu,
    /// The model could not be fetched.
    Network,
    /// The model file is damaged or none.
    BadModel,
    /// The model is sound, but not supported.
    Unsupported,
    /// The model or its context does not fit.
    TooLarge,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_form_is_the_documented_one() -> serde_json::Result<()> {
        let json = r#"{"type":"chat","id":3,"messages":[{"role":"user","content":"Hi"}],"sampling":{"temperature":0.0},"max_tokens":5}"#;
        let request: Request = serde_json::from_str(json)?;
        let expected = Request::Chat {
            id: 3,
            messages: vec![Message { role: Role::User, content: "Hi".to_owned() }],
            sampling: Sampling { temperature: 0.0, ..Sampling::default() },
            max_tokens: Some(5),
        };
        assert_eq!(request, expected);
        let failure = Failure { kind: FailureKind::NoWebGpu, message: "m".to_owned(), suggested_context_tokens: None };
        assert_eq!(
            serde_json::to_string(&Event::Failed { id: 1, failure })?,
            r#"{"type":"failed","id":1,"failure":{"kind":"no_web_gpu","message":"m","suggested_context_tokens":null}}"#
        );
        let load = Request::Load {
            id: 1,
            source: ModelSource::Url { url: "https://example.org/m.gguf".to_owned() },
            context_tokens: None,
        };
        assert_eq!(
            serde_json::to_string(&load)?,
            r#"{"type":"load","id":1,"source":{"kind":"url","url":"https://example.org/m.gguf"},"context_tokens":null}"#
        );
        Ok(())
    }

    #[test]
    fn an_answer_without_tokens_has_no_speed() {
        assert_eq!(Usage::default().decode_tokens_per_second(), None);
        let usage = Usage { completion_tokens: 10, decode_seconds: 2.0, ..Usage::default() };
        assert_eq!(usage.decode_tokens_per_second(), Some(5.0));
    }

    #[test]
    fn names_on_hugging_face_become_addresses() {
        let resolved = "https://huggingface.co/a-b/c.d/resolve/main/e-Q4_K_M.gguf";
        let cases = [
            ("a-b/c.d/e-Q4_K_M.gguf", Some(resolved)),
            (" https://huggingface.co/a-b/c.d/blob/main/e-Q4_K_M.gguf ", Some(resolved)),
            ("a/b/folder/e.gguf", Some("https://huggingface.co/a/b/resolve/main/folder/e.gguf")),
            ("models/e.gguf", None),
            ("./models/x/e.gguf", None),
            ("/models/x/e.gguf", None),
            ("example.org/x/e.gguf", None),
            ("https://example.org/x/y/e.gguf", None),
            ("https://huggingface.co/a/b/resolve/main/e.gguf", None),
            ("a/b/e.bin", None),
        ];
        for (text, expected) in cases {
            assert_eq!(hugging_face_url(text).as_deref(), expected, "{text}");
        }
    }
}

//! Requests.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `POST /v1/chat/completions`. Absent fields take `OpenAI`'s defaults.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChatCompletionRequest {
    /// The name of a loaded or stored model; the one loaded last if absent or unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The conversation.
    pub messages: Vec<RequestMessage>,
    /// Whether the answer is streamed in chunks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// Options for streaming.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,
    /// Maximum tokens of an answer; the rest of the context if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// The newer name of `max_tokens`, which takes precedence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_completion_tokens: Option<u32>,
    /// 0 always selects the most likely token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// Sample from the most likely tokens whose probabilities add up to this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f32>,
    /// Sample from this many of the most likely tokens; 0 means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// Sample from tokens that are at least this likely, relative to the most likely one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f32>,
    /// Makes tokens of prompt and answer less likely; 1 changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<f32>,
    /// Makes a token less likely for each time it was generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f32>,
    /// Makes a token that was generated less likely.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f32>,
    /// Makes an answer reproducible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// A string, or up to sixteen, at which generation stops. The answer does not include it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Value>,
    /// Number of answers to generate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<u32>,
    /// Values from -100 to 100 to add to logits, by token id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logit_bias: Option<Map<String, Value>>,
    /// Whether to return the log probability of each token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    /// How many of the most likely tokens to return for each position, from 0 to 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<u32>,
    /// The format of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat>,
    /// Tools that the model may call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Tool>>,
    /// `none`, `auto`, `required`, or `{"type": "function", "function": {"name": ...}}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<Value>,
    /// Whether an answer may have several tool calls; true if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    /// `none` turns reasoning off, any other value turns it on, in models that support both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<String>,
    /// Whether the model reasons first, in models that support both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_thinking: Option<bool>,
    /// Another form of `enable_thinking`, used by vLLM and llama.cpp's server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_template_kwargs: Option<TemplateArguments>,
    /// Another form of `enable_thinking`, used by `WebLLM`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_body: Option<TemplateArguments>,
    /// Continue the last message, which is the beginning of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continue_final_message: Option<bool>,
    /// What to do with a conversation that exceeds the context length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncation: Option<Truncation>,
    /// The name of a logit processor that the worker was built with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logit_processor: Option<String>,
    /// A text that the answer is expected to resemble, such as a file to be edited: draft tokens are taken from it (speculative
    /// decoding).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prediction: Option<Prediction>,
    /// Whether to take draft tokens from the conversation (prompt-lookup decoding). `prediction` turns it on, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_lookup: Option<bool>,
}

/// What to do with a conversation that exceeds the context length, as in `OpenAI`'s Responses API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truncation {
    /// The request fails.
    #[default]
    Disabled,
    /// The oldest turns are dropped until prompt and answer fit.
    Auto,
}

/// A text that the answer is expected to resemble.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Always `content`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A string, or an array of text parts.
    pub content: Value,
}

/// Arguments of a chat template.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TemplateArguments {
    /// Whether the model reasons first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_thinking: Option<bool>,
}

/// One message of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestMessage {
    /// `system`, `developer`, `user`, `assistant` or `tool`.
    pub role: String,
    /// A string, or an array of text and image parts. Assistant messages may have none.
    #[serde(default)]
    pub content: Value,
    /// The author's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The reasoning of an assistant message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// The tool calls of an assistant message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCall>>,
    /// The call that a tool message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl RequestMessage {
    /// A text message.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: Value::String(content.into()), ..Self::default() }
    }
}

/// Options for streaming.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamOptions {
    /// Whether to send the usage in a last chunk, which has no choices.
    pub include_usage: bool,
}

/// The format of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResponseFormat {
    /// `text`, `json_object`, `json_schema`, `regex` or `grammar`.
    #[serde(rename = "type")]
    pub kind: String,
    /// For `json_schema`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<JsonSchema>,
    /// For `json_object`: a schema, an extension of llama.cpp's server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// For `regex`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// For `grammar`: a Lark grammar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grammar: Option<String>,
}

/// A JSON schema with a name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JsonSchema {
    /// For error messages.
    pub name: String,
    /// The schema; any JSON is valid if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// Ignored: answers always conform to the schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// A tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// Always `function`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The function.
    pub function: FunctionDefinition,
}

/// A function that a model may call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FunctionDefinition {
    /// Its name, of letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A JSON schema for its arguments; it has none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
}

/// A tool call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Identifies the call in the tool message that answers it.
    #[serde(default)]
    pub id: String,
    /// Always `function`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The function and its arguments.
    pub function: FunctionCall,
}

/// The function and arguments of a tool call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionCall {
    /// The function's name.
    pub name: String,
    /// Its arguments, as a JSON string.
    pub arguments: String,
}

/// `POST /v1/completions`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CompletionRequest {
    /// As in [`ChatCompletionRequest`], like all undocumented fields.
    pub model: Option<String>,
    /// A string, or an array of strings.
    pub prompt: Value,
    /// Whether to return the prompt in front of the answer.
    pub echo: Option<bool>,
    #[allow(missing_docs)]
    pub stream: Option<bool>,
    #[allow(missing_docs)]
    pub stream_options: Option<StreamOptions>,
    /// 16 if absent, `OpenAI`'s default.
    pub max_tokens: Option<u32>,
    #[allow(missing_docs)]
    pub temperature: Option<f32>,
    #[allow(missing_docs)]
    pub top_p: Option<f32>,
    #[allow(missing_docs)]
    pub top_k: Option<u32>,
    #[allow(missing_docs)]
    pub min_p: Option<f32>,
    #[allow(missing_docs)]
    pub repetition_penalty: Option<f32>,
    #[allow(missing_docs)]
    pub frequency_penalty: Option<f32>,
    #[allow(missing_docs)]
    pub presence_penalty: Option<f32>,
    #[allow(missing_docs)]
    pub seed: Option<i64>,
    #[allow(missing_docs)]
    pub stop: Option<Value>,
    #[allow(missing_docs)]
    pub n: Option<u32>,
    #[allow(missing_docs)]
    pub logit_bias: Option<Map<String, Value>>,
    /// How many of the most likely tokens to return for each position, from 0 to 20.
    pub logprobs: Option<u32>,
    #[allow(missing_docs)]
    pub response_format: Option<ResponseFormat>,
    #[allow(missing_docs)]
    pub logit_processor: Option<String>,
    #[allow(missing_docs)]
    pub prompt_lookup: Option<bool>,
}

/// `POST /v1/embeddings`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EmbeddingRequest {
    /// The name of a loaded or stored model; the embedding model loaded last if absent or unknown.
    pub model: Option<String>,
    /// A string, or an array of strings.
    pub input: Value,
    /// `float` (the default), or `base64` for encoded little-endian 32-bit floats.
    pub encoding_format: Option<String>,
    /// If present, must be the length of the model's embeddings.
    pub dimensions: Option<u32>,
}

/// `POST /v1/rerank`, as in the APIs of Jina and Cohere and in llama.cpp's server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RerankRequest {
    /// The name of a loaded or stored ranker; the embedding model or ranker loaded last if absent or unknown.
    pub model: Option<String>,
    /// What the documents are ranked for.
    pub query: String,
    /// Strings, or objects with a `text`.
    pub documents: Vec<Value>,
    /// Number of documents to return; all if absent.
    pub top_n: Option<u32>,
    /// Whether to return the documents' texts.
    pub return_documents: Option<bool>,
}

//! Requests.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `POST /v1/chat/completions`. Absent fields take `OpenAI`'s defaults.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChatCompletionRequest {
    /// Which of the loaded models; the one loaded last if absent or unknown to this tab.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The conversation.
    pub messages: Vec<RequestMessage>,
    /// Whether the answer comes in chunks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// More about chunks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,
    /// Most tokens of an answer; up to the end of the context if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// The same under its newer name, which wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_completion_tokens: Option<u32>,
    /// 0 takes the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// Keep the likeliest tokens whose probabilities reach this sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f32>,
    /// Keep this many of the likeliest tokens; 0 keeps all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// Keep tokens at least this likely relative to the likeliest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f32>,
    /// Makes tokens that were seen less likely; 1 changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<f32>,
    /// Makes a token less likely each time it is generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f32>,
    /// Makes a token that was generated less likely.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f32>,
    /// Makes an answer repeatable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// A text, or up to sixteen, at which the answer ends; it does not contain them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Value>,
    /// Answers to give.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<u32>,
    /// What is added to tokens' logits, by id: -100 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logit_bias: Option<Map<String, Value>>,
    /// Whether each token's log probability is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    /// How many of the likeliest tokens at each place are told, too: 0 to 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<u32>,
    /// What form the answer has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat>,
    /// Functions that the model may call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Tool>>,
    /// `none`, `auto`, `required`, or `{"type": "function", "function": {"name": ...}}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<Value>,
    /// Whether an answer may hold several calls; yes if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    /// `none` turns thinking off, everything else on, in models that have the choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<String>,
    /// Whether the model thinks first, in models that have the choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_thinking: Option<bool>,
    /// The same as vLLM and llama.cpp's server have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_template_kwargs: Option<TemplateArguments>,
    /// The same as `WebLLM` has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_body: Option<TemplateArguments>,
    /// The last message is the beginning of the answer, which goes on from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continue_final_message: Option<bool>,
    /// What happens to a conversation that does not fit the context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncation: Option<Truncation>,
    /// A logit processor that the worker was built with, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logit_processor: Option<String>,
    /// What the answer is expected to be like, for instance a file that it changes a little: tokens are guessed from it and verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prediction: Option<Prediction>,
    /// Whether tokens are guessed from the conversation so far and verified; `prediction` turns it on, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_lookup: Option<bool>,
}

/// What happens to a conversation that does not fit the context; named as in `OpenAI`'s Responses API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truncation {
    /// The request fails.
    #[default]
    Disabled,
    /// The oldest turns are left out until prompt and answer have room.
    Auto,
}

/// What an answer is expected to be like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// `content`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A text, or an array of text parts.
    pub content: Value,
}

/// Choices that a chat template takes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TemplateArguments {
    /// Whether the model thinks first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_thinking: Option<bool>,
}

/// One message of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestMessage {
    /// `system`, `developer`, `user`, `assistant` or `tool`.
    pub role: String,
    /// A text, or an array of text parts; may be absent beside `tool_calls`.
    #[serde(default)]
    pub content: Value,
    /// The speaker's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of an assistant's message: what it thought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// Of an assistant's message: the calls it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCall>>,
    /// Of a tool's message: the call it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl RequestMessage {
    /// A message of text.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: Value::String(content.into()), ..Self::default() }
    }
}

/// Choices about chunks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamOptions {
    /// Whether a last chunk without choices tells the usage.
    pub include_usage: bool,
}

/// The form of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResponseFormat {
    /// `text`, `json_object`, `json_schema`, `regex` or `grammar`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Of `json_schema`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<JsonSchema>,
    /// Of `json_object`: a schema, as llama.cpp's server takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// Of `regex`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// Of `grammar`: in Lark's notation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grammar: Option<String>,
}

/// A schema with its name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JsonSchema {
    /// For error messages.
    pub name: String,
    /// The schema; any JSON if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// Ignored: an answer always obeys its schema here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// A tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// `function`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The function.
    pub function: FunctionDefinition,
}

/// A function that a model may call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FunctionDefinition {
    /// Letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A JSON schema of its arguments; none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
}

/// A call of a function.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Its place among the calls of an answer; in chunks only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Names the call in the message that answers it.
    #[serde(default)]
    pub id: String,
    /// `function`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The function and its arguments.
    pub function: FunctionCall,
}

/// A function with arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionCall {
    /// The function.
    pub name: String,
    /// JSON, as text.
    pub arguments: String,
}

/// `POST /v1/completions`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CompletionRequest {
    /// As in [`ChatCompletionRequest`], like all fields without a comment.
    pub model: Option<String>,
    /// A text, or several.
    pub prompt: Value,
    /// Whether the text begins with the prompt.
    pub echo: Option<bool>,
    #[allow(missing_docs)]
    pub stream: Option<bool>,
    #[allow(missing_docs)]
    pub stream_options: Option<StreamOptions>,
    /// 16 if absent, as `OpenAI` has it.
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
    /// How many of the likeliest tokens at each place are told: 0 to 20.
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
    /// Which of the loaded models; an embedding model that is loaded if absent or unknown.
    pub model: Option<String>,
    /// A text, or several.
    pub input: Value,
    /// `float` (the default) or `base64`: little-endian 32-bit floats.
    pub encoding_format: Option<String>,
    /// Only as many as the model has.
    pub dimensions: Option<u32>,
}

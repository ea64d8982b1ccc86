//! Responses.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::request::ToolCall;
use crate::abilities::{Abilities, Capability};

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended it, or a stop sequence was generated.
    Stop,
    /// The maximum number of tokens was reached, or the context is full.
    Length,
    /// It has tool calls.
    ToolCalls,
    /// It was interrupted. `OpenAI` has no value for this; this is `WebLLM`'s.
    Abort,
}

/// A complete response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatCompletion {
    /// The response's id.
    pub id: String,
    /// Always `chat.completion`.
    pub object: String,
    /// Time of creation, in seconds since 1970.
    pub created: u64,
    /// The model's name.
    pub model: String,
    /// The answers.
    pub choices: Vec<ChatChoice>,
    /// Token counts and speeds.
    pub usage: Usage,
    /// How many of the oldest messages were dropped because the context is full, not counting system messages. An extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_messages: Option<u32>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatChoice {
    /// Its index.
    pub index: u32,
    /// The message.
    pub message: ResponseMessage,
    /// Log probabilities, if requested.
    pub logprobs: Option<LogProbs>,
    /// Why it ended.
    pub finish_reason: FinishReason,
}

/// The message of an answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ResponseMessage {
    /// Always `assistant`.
    pub role: String,
    /// Its text; null if it only has tool calls.
    pub content: Option<String>,
    /// The model's reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// Always null, because `OpenAI`'s clients expect the field.
    pub refusal: Option<String>,
    /// Its tool calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCall>>,
}

/// A chunk of a streamed response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatChunk {
    /// The response's id.
    pub id: String,
    /// Always `chat.completion.chunk`.
    pub object: String,
    /// Time of creation, in seconds since 1970.
    pub created: u64,
    /// The model's name.
    pub model: String,
    /// Additions to answers; empty in the chunk with the usage.
    pub choices: Vec<ChunkChoice>,
    /// Token counts and speeds, in the last chunk, if requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// See [`ChatCompletion::dropped_messages`]; in the first chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_messages: Option<u32>,
}

/// An addition to an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChunkChoice {
    /// Its index.
    pub index: u32,
    /// The addition.
    pub delta: ChatDelta,
    /// Log probabilities, if requested.
    pub logprobs: Option<LogProbs>,
    /// Why it ended, in its last chunk.
    pub finish_reason: Option<FinishReason>,
}

/// What a chunk adds to a message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChatDelta {
    /// `assistant`, in the first chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Text to append.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Reasoning to append.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// Additions to tool calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCallDelta>>,
}

/// What a chunk adds to a tool call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ToolCallDelta {
    /// The call's index among those of an answer.
    pub index: u32,
    /// Its id, in its first chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `function`, in its first chunk.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its function.
    pub function: FunctionDelta,
}

/// What a chunk adds to the function of a tool call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FunctionDelta {
    /// Its name, in the call's first chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// JSON text to append to its arguments.
    pub arguments: String,
}

/// Log probabilities of an answer's tokens.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LogProbs {
    /// One for each token.
    pub content: Vec<TokenLogProb>,
    /// Always null, because `OpenAI`'s clients expect the field.
    #[serde(default)]
    pub refusal: Option<Vec<TokenLogProb>>,
}

impl LogProbs {
    /// The log probabilities of these tokens.
    pub fn new(content: Vec<TokenLogProb>) -> Self {
        Self { content, refusal: None }
    }
}

/// The log probability of a token, with those of its alternatives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenLogProb {
    /// Its text.
    pub token: String,
    /// Natural logarithm of its probability, before bias, penalties and temperature.
    pub logprob: f32,
    /// Its bytes.
    pub bytes: Option<Vec<u8>>,
    /// The most likely tokens at its position.
    pub top_logprobs: Vec<TopLogProb>,
}

/// The log probability of a likely token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopLogProb {
    /// Its text.
    pub token: String,
    /// Natural logarithm of its probability.
    pub logprob: f32,
    /// Its bytes.
    pub bytes: Option<Vec<u8>>,
}

/// A response of `/v1/completions`, or a chunk of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextCompletion {
    /// The response's id.
    pub id: String,
    /// Always `text_completion`.
    pub object: String,
    /// Time of creation, in seconds since 1970.
    pub created: u64,
    /// The model's name.
    pub model: String,
    /// The answers, or additions to them.
    pub choices: Vec<TextChoice>,
    /// Token counts and speeds; in the last chunk of a stream, if requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// A completion, or an addition to one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextChoice {
    /// Its index.
    pub index: u32,
    /// The text.
    pub text: String,
    /// Log probabilities, if requested.
    pub logprobs: Option<TextLogProbs>,
    /// Why it ended, in its last chunk.
    pub finish_reason: Option<FinishReason>,
}

/// Log probabilities in the format of `/v1/completions`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TextLogProbs {
    /// The tokens' texts.
    pub tokens: Vec<String>,
    /// Their log probabilities.
    pub token_logprobs: Vec<f32>,
    /// The most likely tokens at each position, with their log probabilities.
    pub top_logprobs: Vec<serde_json::Map<String, Value>>,
}

/// Token counts and speeds of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Tokens of all answers.
    pub completion_tokens: u32,
    /// The sum of both.
    pub total_tokens: u32,
    /// Details about the prompt.
    pub prompt_tokens_details: PromptTokens,
    /// Details about the answers.
    pub completion_tokens_details: CompletionTokens,
    /// Times and speeds, with `WebLLM`'s names.
    pub extra: UsageExtra,
}

/// Details about the tokens of a prompt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PromptTokens {
    /// Tokens reused from the KV cache.
    pub cached_tokens: u32,
    /// Tokens that images take, if there are any. An extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_tokens: Option<u32>,
    /// Tokens that recordings take, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_tokens: Option<u32>,
}

/// Details about the tokens of answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CompletionTokens {
    /// Tokens of reasoning.
    pub reasoning_tokens: u32,
    /// Accepted draft tokens.
    pub accepted_prediction_tokens: u32,
    /// Rejected draft tokens, which are not part of `completion_tokens`.
    pub rejected_prediction_tokens: u32,
}

/// Times and speeds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UsageExtra {
    /// Seconds from the request to the end of the last answer.
    pub e2e_latency_s: f64,
    /// Seconds from the request to the first token.
    pub time_to_first_token_s: f64,
    /// Seconds per token.
    pub time_per_output_token_s: f64,
    /// Prompt processing speed, without cached tokens.
    pub prefill_tokens_per_s: f64,
    /// Generation speed.
    pub decode_tokens_per_s: f64,
    /// Seconds for encoding images, if there are any that were not seen before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_encode_s: Option<f64>,
    /// Seconds for encoding recordings, if there are any that were not heard before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_encode_s: Option<f64>,
    /// Seconds for compiling the grammar, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grammar_init_s: Option<f64>,
    /// Seconds per token for computing the grammar's mask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grammar_per_token_s: Option<f64>,
}

/// A response of `/v1/embeddings`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingList {
    /// Always `list`.
    pub object: String,
    /// One for each text.
    pub data: Vec<Embedding>,
    /// The model's name.
    pub model: String,
    /// Token counts.
    pub usage: EmbeddingUsage,
}

/// The embedding of a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Embedding {
    /// Always `embedding`.
    pub object: String,
    /// Its index.
    pub index: u32,
    /// A vector of length one, or a base64 string.
    pub embedding: Value,
    /// Whether the text was too long, so that its end was ignored. An extension.
    pub is_truncated: bool,
}

/// A response of `/v1/rerank`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reranking {
    /// Always `list`.
    pub object: String,
    /// The model's name.
    pub model: String,
    /// The best documents first.
    pub results: Vec<RerankResult>,
    /// Token counts.
    pub usage: EmbeddingUsage,
}

/// How well a document answers the query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RerankResult {
    /// The document's index in the request.
    pub index: u32,
    /// Higher is better: a likelihood from models that answer “yes” or “no”, otherwise any number.
    pub relevance_score: f32,
    /// The document, if requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<RankedDocument>,
    /// Whether query and document together were too long, so that the document's end was ignored. An extension.
    pub is_truncated: bool,
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RankedDocument {
    /// Its text.
    pub text: String,
}

/// Token counts of an embedding or rerank request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddingUsage {
    /// Tokens of the texts.
    pub prompt_tokens: u32,
    /// The same number.
    pub total_tokens: u32,
}

/// A response of `/v1/models`: models that are loaded or stored on this device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelList {
    /// Always `list`.
    pub object: String,
    /// The models.
    pub data: Vec<ModelEntry>,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelEntry {
    /// Its name.
    pub id: String,
    /// Always `model`.
    pub object: String,
    /// Always 0: unknown.
    pub created: u64,
    /// Always `parlance`.
    pub owned_by: String,
    /// What it can do. An extension; absent if it has never been loaded on this device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Vec<Capability>>,
    /// Context length in tokens, for prompt and answer together, when it was loaded last. An extension; absent if never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_length: Option<u32>,
}

impl ModelEntry {
    /// A model of this name, and what is known about it.
    pub fn new(id: String, abilities: Option<Abilities>) -> Self {
        Self {
            id,
            object: "model".to_owned(),
            created: 0,
            owned_by: "parlance".to_owned(),
            context_length: abilities.as_ref().map(|abilities| abilities.context_tokens),
            capabilities: abilities.map(|abilities| abilities.capabilities),
        }
    }
}

/// An error response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiErrorBody {
    /// The error.
    pub error: ApiError,
}

/// An error, in the form that `OpenAI`'s clients expect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// A sentence in English.
    pub message: String,
    /// `invalid_request_error` or `server_error`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The invalid field.
    pub param: Option<String>,
    /// An error code, for programs.
    pub code: Option<String>,
}

impl ApiError {
    /// An error with this HTTP status, without `param` and `code`.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        let kind = if status < 500 { "invalid_request_error" } else { "server_error" };
        Self { message: message.into(), kind: kind.to_owned(), param: None, code: None }
    }
}

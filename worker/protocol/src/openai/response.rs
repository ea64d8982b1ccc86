//! Responses.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::request::ToolCall;

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended it, or a stop text came.
    Stop,
    /// The limit on tokens, or the context's end.
    Length,
    /// It holds calls.
    ToolCalls,
    /// It was interrupted. `OpenAI` has no name for this; `WebLLM` has this one.
    Abort,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatCompletion {
    /// Names the answer.
    pub id: String,
    /// `chat.completion`.
    pub object: String,
    /// Seconds since 1970.
    pub created: u64,
    /// The model.
    pub model: String,
    /// The answers.
    pub choices: Vec<ChatChoice>,
    /// What they took.
    pub usage: Usage,
    /// The oldest messages that were left out because the context is full, system messages not counted. An extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_messages: Option<u32>,
}

/// One answer of several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatChoice {
    /// Its place.
    pub index: u32,
    /// The answer.
    pub message: ResponseMessage,
    /// If asked for.
    pub logprobs: Option<LogProbs>,
    /// Why it ended.
    pub finish_reason: FinishReason,
}

/// An answer's message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ResponseMessage {
    /// `assistant`.
    pub role: String,
    /// Its text; null beside calls without one.
    pub content: Option<String>,
    /// What the model thought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// Always null; `OpenAI`'s clients expect the field.
    pub refusal: Option<String>,
    /// Calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCall>>,
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatChunk {
    /// Names the answer.
    pub id: String,
    /// `chat.completion.chunk`.
    pub object: String,
    /// Seconds since 1970.
    pub created: u64,
    /// The model.
    pub model: String,
    /// Pieces; none in the chunk that tells the usage.
    pub choices: Vec<ChunkChoice>,
    /// In the last chunk, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// As [`ChatCompletion::dropped_messages`], in the first chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_messages: Option<u32>,
}

/// A piece of one answer of several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChunkChoice {
    /// Its place.
    pub index: u32,
    /// What is new.
    pub delta: ChatDelta,
    /// If asked for.
    pub logprobs: Option<LogProbs>,
    /// Why it ended, in its last piece.
    pub finish_reason: Option<FinishReason>,
}

/// What a chunk adds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChatDelta {
    /// `assistant`, in the first piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Text to append.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Thoughts to append.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// Calls, each whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCall>>,
}

/// Log probabilities of an answer's tokens.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LogProbs {
    /// One a token.
    pub content: Vec<TokenLogProb>,
}

/// How likely a token was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenLogProb {
    /// Its text.
    pub token: String,
    /// Natural logarithm of its probability before bias, penalties and temperature.
    pub logprob: f32,
    /// Its bytes.
    pub bytes: Option<Vec<u8>>,
    /// The likeliest tokens in its place.
    pub top_logprobs: Vec<TopLogProb>,
}

/// A likely token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopLogProb {
    /// Its text.
    pub token: String,
    /// Natural logarithm of its probability.
    pub logprob: f32,
    /// Its bytes.
    pub bytes: Option<Vec<u8>>,
}

/// An answer of `/v1/completions`, whole or a piece of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextCompletion {
    /// Names the answer.
    pub id: String,
    /// `text_completion`.
    pub object: String,
    /// Seconds since 1970.
    pub created: u64,
    /// The model.
    pub model: String,
    /// Answers.
    pub choices: Vec<TextChoice>,
    /// What they took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// One text of several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextChoice {
    /// Its place.
    pub index: u32,
    /// The text.
    pub text: String,
    /// If asked for.
    pub logprobs: Option<TextLogProbs>,
    /// Why it ended, in its last piece.
    pub finish_reason: Option<FinishReason>,
}

/// Log probabilities as `/v1/completions` has them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TextLogProbs {
    /// Texts of the tokens.
    pub tokens: Vec<String>,
    /// How likely each was.
    pub token_logprobs: Vec<f32>,
    /// The likeliest tokens in each place.
    pub top_logprobs: Vec<serde_json::Map<String, Value>>,
}

/// What an answer took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Tokens of all answers.
    pub completion_tokens: u32,
    /// Both.
    pub total_tokens: u32,
    /// More about the prompt.
    pub prompt_tokens_details: PromptTokens,
    /// More about the answers.
    pub completion_tokens_details: CompletionTokens,
    /// Times and speeds, as `WebLLM` names them.
    pub extra: UsageExtra,
}

/// More about a prompt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PromptTokens {
    /// Tokens that were in the KV cache already.
    pub cached_tokens: u32,
}

/// More about answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CompletionTokens {
    /// Tokens of thoughts.
    pub reasoning_tokens: u32,
    /// Guessed tokens that the model chose, too.
    pub accepted_prediction_tokens: u32,
    /// Guessed tokens that it did not choose; they are not among the completion's tokens.
    pub rejected_prediction_tokens: u32,
}

/// Times and speeds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UsageExtra {
    /// Seconds from the request to its end.
    pub e2e_latency_s: f64,
    /// Seconds from the request to the first token.
    pub time_to_first_token_s: f64,
    /// Seconds a token.
    pub time_per_output_token_s: f64,
    /// Speed of reading the prompt, cached tokens left out.
    pub prefill_tokens_per_s: f64,
    /// Speed of answering.
    pub decode_tokens_per_s: f64,
    /// Seconds for building the grammar, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grammar_init_s: Option<f64>,
    /// Seconds a token that the grammar's mask took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grammar_per_token_s: Option<f64>,
}

/// Vectors of texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingList {
    /// `list`.
    pub object: String,
    /// One a text.
    pub data: Vec<Embedding>,
    /// The model.
    pub model: String,
    /// What they took.
    pub usage: EmbeddingUsage,
}

/// The vector of a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Embedding {
    /// `embedding`.
    pub object: String,
    /// Its place.
    pub index: u32,
    /// Floats, of length one, or a text in base64.
    pub embedding: Value,
    /// The text was too long; its end was left out. An extension.
    pub is_truncated: bool,
}

/// What vectors took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddingUsage {
    /// Tokens of the texts.
    pub prompt_tokens: u32,
    /// The same.
    pub total_tokens: u32,
}

/// Models that are loaded or kept on this device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelList {
    /// `list`.
    pub object: String,
    /// The models.
    pub data: Vec<ModelEntry>,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelEntry {
    /// Its name.
    pub id: String,
    /// `model`.
    pub object: String,
    /// 0: it is not known.
    pub created: u64,
    /// `parlance`.
    pub owned_by: String,
}

/// An error as `OpenAI`'s clients expect it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiErrorBody {
    /// The error.
    pub error: ApiError,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// A sentence.
    pub message: String,
    /// `invalid_request_error` or `server_error`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The field that is wrong.
    pub param: Option<String>,
    /// A word for programs.
    pub code: Option<String>,
}

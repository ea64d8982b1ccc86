//! The `OpenAI` API's requests and responses, as far as a model in a tab has them, with the extensions that `WebLLM`, vLLM and
//! llama.cpp's server share. Unknown fields are ignored, as `OpenAI` does.

mod request;
mod response;

pub use request::{
    ChatCompletionRequest, CompletionRequest, EmbeddingRequest, FunctionCall, FunctionDefinition, JsonSchema,
    Prediction, RequestMessage, ResponseFormat, StreamOptions, TemplateArguments, Tool, ToolCall, Truncation,
};
pub use response::{
    ApiError, ApiErrorBody, ChatChoice, ChatChunk, ChatCompletion, ChatDelta, ChunkChoice, CompletionTokens, Embedding,
    EmbeddingList, EmbeddingUsage, FinishReason, LogProbs, ModelEntry, ModelList, PromptTokens, ResponseMessage,
    TextChoice, TextCompletion, TextLogProbs, TokenLogProb, TopLogProb, Usage, UsageExtra,
};

use serde::{Deserialize, Serialize};

/// Which of the API's paths a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `/v1/chat/completions`
    ChatCompletions,
    /// `/v1/completions`
    Completions,
    /// `/v1/embeddings`
    Embeddings,
    /// `/v1/models`
    Models,
}

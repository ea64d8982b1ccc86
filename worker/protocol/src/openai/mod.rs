//! Requests and responses of the `OpenAI` API, as far as they apply to local models, with extensions that `WebLLM`, vLLM and
//! llama.cpp's server have in common. Unknown fields are ignored.

mod request;
mod response;
mod responses;

pub use request::{
    ChatCompletionRequest, CompletionRequest, EmbeddingRequest, FunctionCall, FunctionDefinition, JsonSchema,
    Prediction, RequestMessage, RerankRequest, ResponseFormat, StreamOptions, TemplateArguments, Tool, ToolCall,
    Truncation,
};
pub use response::{
    ApiError, ApiErrorBody, ChatChoice, ChatChunk, ChatCompletion, ChatDelta, ChunkChoice, CompletionTokens, Embedding,
    EmbeddingList, EmbeddingUsage, FinishReason, FunctionDelta, LogProbs, ModelEntry, ModelList, PromptTokens,
    RankedDocument, RerankResult, Reranking, ResponseMessage, TextChoice, TextCompletion, TextLogProbs, TokenLogProb,
    ToolCallDelta, TopLogProb, Usage, UsageExtra,
};

pub use responses::{
    IncompleteDetails, InputTokens, ItemStatus, OutputItem, OutputPart, OutputTokens, Reasoning, Response,
    ResponseError, ResponseEvent, ResponseEventKind, ResponseRequest, ResponseStatus, ResponseText, ResponseTool,
    ResponseUsage, TextFormat,
};

use serde::{Deserialize, Serialize};

pub use crate::abilities::Capability;

/// An endpoint of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `/v1/chat/completions`
    ChatCompletions,
    /// `/v1/completions`
    Completions,
    /// `POST /v1/responses`
    Responses,
    /// `GET /v1/responses/{response_id}`. The body of this request and of the following ones has the parameters of path and query.
    RetrieveResponse,
    /// `DELETE /v1/responses/{response_id}`
    DeleteResponse,
    /// `POST /v1/responses/{response_id}/cancel`
    CancelResponse,
    /// `GET /v1/responses/{response_id}/input_items`
    InputItems,
    /// `/v1/embeddings`
    Embeddings,
    /// `/v1/rerank`
    Rerank,
    /// `/v1/models`
    Models,
    /// `GET /v1/models/{model}`, whose body has the parameter of the path.
    RetrieveModel,
}

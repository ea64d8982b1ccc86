//! `/v1/responses`: requests, responses, and the events of streams.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::request::Truncation;
use super::response::{TokenLogProb, Usage, UsageExtra};

/// `POST /v1/responses`. Absent fields take `OpenAI`'s defaults.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResponseRequest {
    /// The name of a loaded or stored model; the one loaded last if absent or unknown.
    pub model: Option<String>,
    /// A string, or an array of items: messages, function calls and their outputs, reasoning, and references to items that are kept.
    pub input: Value,
    /// A system message for this response only.
    pub instructions: Option<String>,
    /// A response that is kept on this device, whose input and output come before this input.
    pub previous_response_id: Option<String>,
    /// Whether the response is kept on this device; true if absent.
    pub store: Option<bool>,
    /// Whether the response is streamed in events.
    pub stream: Option<bool>,
    /// Refused if true: a response is generated while its request waits.
    pub background: Option<bool>,
    /// Refused: there are no conversations, only previous responses.
    pub conversation: Value,
    /// Refused: there are no stored prompts.
    pub prompt: Value,
    /// Maximum tokens of reasoning and output; the rest of the context if absent.
    pub max_output_tokens: Option<u32>,
    /// As in [`ChatCompletionRequest`](super::ChatCompletionRequest), like the other parameters of sampling.
    pub temperature: Option<f64>,
    #[allow(missing_docs)]
    pub top_p: Option<f64>,
    #[allow(missing_docs)]
    pub top_k: Option<u32>,
    #[allow(missing_docs)]
    pub min_p: Option<f64>,
    #[allow(missing_docs)]
    pub repetition_penalty: Option<f64>,
    #[allow(missing_docs)]
    pub frequency_penalty: Option<f64>,
    #[allow(missing_docs)]
    pub presence_penalty: Option<f64>,
    #[allow(missing_docs)]
    pub seed: Option<i64>,
    /// The format of the answer.
    pub text: Option<ResponseText>,
    /// Whether the model reasons, and how its reasoning is returned.
    pub reasoning: Option<Reasoning>,
    /// Functions that the model may call.
    pub tools: Option<Vec<ResponseTool>>,
    /// `none`, `auto`, `required`, `{"type": "function", "name": ...}`, or `{"type": "allowed_tools", ...}`.
    pub tool_choice: Option<Value>,
    /// Whether an answer may have several function calls; true if absent.
    pub parallel_tool_calls: Option<bool>,
    /// `message.output_text.logprobs` for log probabilities; anything else is ignored.
    pub include: Option<Vec<String>>,
    /// How many of the most likely tokens to return for each position, from 0 to 20.
    pub top_logprobs: Option<u32>,
    /// What to do with a conversation that exceeds the context length.
    pub truncation: Option<Truncation>,
    /// Returned with the response.
    pub metadata: Option<Map<String, Value>>,
}

/// Options for the text of an answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResponseText {
    /// Its format.
    pub format: TextFormat,
}

/// The format of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextFormat {
    /// `text`, `json_object`, `json_schema`, `regex` or `grammar`.
    #[serde(rename = "type")]
    pub kind: String,
    /// For `json_schema`: its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For `json_schema`: ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// For `json_schema` and `json_object`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// Ignored: answers always conform to the schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// For `regex`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// For `grammar`: a Lark grammar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grammar: Option<String>,
}

impl Default for TextFormat {
    fn default() -> Self {
        Self {
            kind: "text".to_owned(),
            name: None,
            description: None,
            schema: None,
            strict: None,
            regex: None,
            grammar: None,
        }
    }
}

/// Whether a model reasons, and how its reasoning is returned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reasoning {
    /// `none` turns reasoning off, any other value turns it on, in models that support both.
    pub effort: Option<String>,
    /// If present, the reasoning is returned as a summary; otherwise as content. It is the whole reasoning in both cases.
    pub summary: Option<String>,
}

/// A function that a model may call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResponseTool {
    /// Always `function`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name, of letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// A JSON schema for its arguments; it has none if absent.
    pub parameters: Option<Value>,
    /// Ignored: arguments always conform to the schema.
    pub strict: Option<bool>,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// Its id.
    pub id: String,
    /// Always `response`.
    pub object: String,
    /// Time of creation, in seconds since 1970.
    pub created_at: u64,
    /// When it was completed, in seconds since 1970.
    pub completed_at: Option<u64>,
    /// What has become of it.
    pub status: ResponseStatus,
    /// Always false.
    pub background: bool,
    /// Why it failed.
    pub error: Option<ResponseError>,
    /// Why it is incomplete.
    pub incomplete_details: Option<IncompleteDetails>,
    /// From the request, like all fields without documentation.
    pub instructions: Option<String>,
    #[allow(missing_docs)]
    pub max_output_tokens: Option<u32>,
    #[allow(missing_docs)]
    pub metadata: Map<String, Value>,
    /// The model's name.
    pub model: String,
    /// What the model generated.
    pub output: Vec<OutputItem>,
    #[allow(missing_docs)]
    pub parallel_tool_calls: bool,
    #[allow(missing_docs)]
    pub previous_response_id: Option<String>,
    #[allow(missing_docs)]
    pub reasoning: Reasoning,
    #[allow(missing_docs)]
    pub store: bool,
    #[allow(missing_docs)]
    pub temperature: f64,
    #[allow(missing_docs)]
    pub text: ResponseText,
    #[allow(missing_docs)]
    pub tool_choice: Value,
    #[allow(missing_docs)]
    pub tools: Vec<ResponseTool>,
    #[allow(missing_docs)]
    pub top_logprobs: u32,
    #[allow(missing_docs)]
    pub top_p: f64,
    #[allow(missing_docs)]
    pub truncation: Truncation,
    /// Token counts and speeds, once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<ResponseUsage>,
    /// How many of the oldest messages were dropped because the context is full, not counting system messages. An extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_messages: Option<u32>,
}

/// What has become of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseStatus {
    /// It is being generated.
    InProgress,
    /// The model ended it.
    Completed,
    /// The maximum number of tokens was reached, or the context is full.
    Incomplete,
    /// It was stopped.
    Cancelled,
    /// The engine failed.
    Failed,
}

/// Why a response failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseError {
    /// Always `server_error`.
    pub code: String,
    /// A sentence in English.
    pub message: String,
}

/// Why a response is incomplete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncompleteDetails {
    /// Always `max_output_tokens`.
    pub reason: String,
}

/// What has become of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    /// It is being generated.
    InProgress,
    /// It is complete.
    Completed,
    /// Generation ended within it.
    Incomplete,
}

/// A part of what the model generated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OutputItem {
    /// Reasoning.
    Reasoning {
        /// The item's id, as in the other items.
        id: String,
        /// As in the other items.
        status: ItemStatus,
        /// The reasoning, if a summary was requested.
        summary: Vec<OutputPart>,
        /// The reasoning, otherwise.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        content: Vec<OutputPart>,
    },
    /// Text.
    Message {
        #[allow(missing_docs)]
        id: String,
        #[allow(missing_docs)]
        status: ItemStatus,
        /// Always `assistant`.
        role: String,
        /// One part.
        content: Vec<OutputPart>,
    },
    /// A function call.
    FunctionCall {
        #[allow(missing_docs)]
        id: String,
        #[allow(missing_docs)]
        status: ItemStatus,
        /// Identifies the call in the item with its output.
        call_id: String,
        /// The function's name.
        name: String,
        /// Its arguments, as a JSON string.
        arguments: String,
    },
}

impl OutputItem {
    /// The item's id.
    pub fn id(&self) -> &str {
        match self {
            Self::Reasoning { id, .. } | Self::Message { id, .. } | Self::FunctionCall { id, .. } => id,
        }
    }

    /// What has become of it.
    pub fn status_mut(&mut self) -> &mut ItemStatus {
        match self {
            Self::Reasoning { status, .. } | Self::Message { status, .. } | Self::FunctionCall { status, .. } => status,
        }
    }
}

/// A text within an item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OutputPart {
    /// Of a message.
    OutputText {
        #[allow(missing_docs)]
        text: String,
        /// Always empty.
        annotations: Vec<Value>,
        /// Log probabilities of its tokens, if requested.
        logprobs: Vec<TokenLogProb>,
    },
    /// Of reasoning.
    ReasoningText {
        #[allow(missing_docs)]
        text: String,
    },
    /// Of a summary.
    SummaryText {
        #[allow(missing_docs)]
        text: String,
    },
}

impl OutputPart {
    /// An empty text of a message.
    pub fn output_text() -> Self {
        Self::OutputText { text: String::new(), annotations: Vec::new(), logprobs: Vec::new() }
    }

    /// Its text.
    pub fn text(&self) -> &str {
        match self {
            Self::OutputText { text, .. } | Self::ReasoningText { text } | Self::SummaryText { text } => text,
        }
    }

    /// Its text.
    pub fn text_mut(&mut self) -> &mut String {
        match self {
            Self::OutputText { text, .. } | Self::ReasoningText { text } | Self::SummaryText { text } => text,
        }
    }
}

/// Token counts and speeds of a response.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResponseUsage {
    /// Tokens of the prompt.
    pub input_tokens: u32,
    /// Details about the prompt.
    pub input_tokens_details: InputTokens,
    /// Tokens of reasoning and output.
    pub output_tokens: u32,
    /// Details about the output.
    pub output_tokens_details: OutputTokens,
    /// The sum of both.
    pub total_tokens: u32,
    /// An extension: times and speeds.
    pub extra: UsageExtra,
}

/// Details about the tokens of a prompt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InputTokens {
    /// Tokens reused from the KV cache.
    pub cached_tokens: u32,
    /// The others, which are in the KV cache now.
    pub cache_write_tokens: u32,
}

/// Details about the tokens of an output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutputTokens {
    /// Tokens of reasoning.
    pub reasoning_tokens: u32,
}

impl From<Usage> for ResponseUsage {
    fn from(usage: Usage) -> Self {
        let cached_tokens = usage.prompt_tokens_details.cached_tokens;
        let cache_write_tokens = usage.prompt_tokens.saturating_sub(cached_tokens);
        Self {
            input_tokens: usage.prompt_tokens,
            input_tokens_details: InputTokens { cached_tokens, cache_write_tokens },
            output_tokens: usage.completion_tokens,
            output_tokens_details: OutputTokens { reasoning_tokens: usage.completion_tokens_details.reasoning_tokens },
            total_tokens: usage.total_tokens,
            extra: usage.extra,
        }
    }
}

/// An event of a streamed response.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResponseEvent {
    /// What happened.
    #[serde(flatten)]
    pub kind: ResponseEventKind,
    /// Its index among the events of its response.
    pub sequence_number: u32,
}

/// What happened to a streamed response. Each item is added, grows and is done before the next one is added.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type")]
#[allow(missing_docs, reason = "fields are named for what they are")]
pub enum ResponseEventKind {
    /// The first event.
    #[serde(rename = "response.created")]
    Created { response: Box<Response> },
    /// The second event.
    #[serde(rename = "response.in_progress")]
    InProgress { response: Box<Response> },
    /// The last event, if the model ended the response.
    #[serde(rename = "response.completed")]
    Completed { response: Box<Response> },
    /// The last event, if the token limit was reached or the response was stopped.
    #[serde(rename = "response.incomplete")]
    Incomplete { response: Box<Response> },
    /// The last event, if the engine failed.
    #[serde(rename = "response.failed")]
    Failed { response: Box<Response> },
    /// An item begins.
    #[serde(rename = "response.output_item.added")]
    ItemAdded { output_index: u32, item: OutputItem },
    /// It is complete.
    #[serde(rename = "response.output_item.done")]
    ItemDone { output_index: u32, item: OutputItem },
    /// A text within it begins.
    #[serde(rename = "response.content_part.added")]
    PartAdded { item_id: String, output_index: u32, content_index: u32, part: OutputPart },
    /// It is complete.
    #[serde(rename = "response.content_part.done")]
    PartDone { item_id: String, output_index: u32, content_index: u32, part: OutputPart },
    /// The text of a message grows.
    #[serde(rename = "response.output_text.delta")]
    TextDelta { item_id: String, output_index: u32, content_index: u32, delta: String, logprobs: Vec<TokenLogProb> },
    /// It is complete.
    #[serde(rename = "response.output_text.done")]
    TextDone { item_id: String, output_index: u32, content_index: u32, text: String, logprobs: Vec<TokenLogProb> },
    /// Reasoning grows.
    #[serde(rename = "response.reasoning_text.delta")]
    ReasoningDelta { item_id: String, output_index: u32, content_index: u32, delta: String },
    /// It is complete.
    #[serde(rename = "response.reasoning_text.done")]
    ReasoningDone { item_id: String, output_index: u32, content_index: u32, text: String },
    /// A summary of reasoning begins.
    #[serde(rename = "response.reasoning_summary_part.added")]
    SummaryAdded { item_id: String, output_index: u32, summary_index: u32, part: OutputPart },
    /// It is complete.
    #[serde(rename = "response.reasoning_summary_part.done")]
    SummaryDone { item_id: String, output_index: u32, summary_index: u32, part: OutputPart },
    /// It grows.
    #[serde(rename = "response.reasoning_summary_text.delta")]
    SummaryTextDelta { item_id: String, output_index: u32, summary_index: u32, delta: String },
    /// Its text is complete.
    #[serde(rename = "response.reasoning_summary_text.done")]
    SummaryTextDone { item_id: String, output_index: u32, summary_index: u32, text: String },
    /// The arguments of a function call grow.
    #[serde(rename = "response.function_call_arguments.delta")]
    ArgumentsDelta { item_id: String, output_index: u32, delta: String },
    /// They are complete.
    #[serde(rename = "response.function_call_arguments.done")]
    ArgumentsDone { item_id: String, output_index: u32, name: String, arguments: String },
}

//! Parses and validates requests. Errors name the invalid field.

use parlance_engine::sampling::SamplingParams;
use parlance_protocol::openai::{
    ChatCompletionRequest, CompletionRequest, FunctionDefinition, Prediction, RequestMessage, ResponseFormat,
    StreamOptions, Truncation,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::RequestError;
use crate::media::{self, MediaRequest};
use crate::tools::{self, ToolChoice};

/// Maximum answers to one request.
const MAX_CHOICES: u32 = 128;
/// Maximum stop sequences.
const MAX_STOP_SEQUENCES: usize = 16;
/// Maximum `top_logprobs`.
const MAX_TOP_LOGPROBS: u32 = 20;
/// Maximum bytes of a request's strings. Images and sounds are sent as text, too.
const MAX_BODY_BYTES: usize = 32 << 20;

type Result<T> = std::result::Result<T, RequestError>;

/// How answers are generated and returned.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    /// The sampling parameters, with a random seed if the request has none.
    pub(crate) params: SamplingParams,
    pub(crate) bias: Vec<(u32, f32)>,
    pub(crate) stop_sequences: Vec<String>,
    pub(crate) choices: u32,
    pub(crate) max_tokens: Option<u32>,
    /// `top_logprobs`; `None` if no log probabilities were requested.
    pub(crate) logprobs: Option<u32>,
    pub(crate) format: Option<ResponseFormat>,
    pub(crate) processor: Option<String>,
    /// A text to take draft tokens from, in addition to the prompt and the answer; `None` disables drafts.
    pub(crate) draft_from: Option<String>,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
}

/// A conversation to answer, with the options that its prompt depends on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Conversation {
    /// With markers in the places of images and sounds.
    pub(crate) messages: Vec<RequestMessage>,
    pub(crate) media: Vec<MediaRequest>,
    pub(crate) tools: Vec<FunctionDefinition>,
    pub(crate) tool_choice: ToolChoice,
    pub(crate) parallel_calls: bool,
    pub(crate) enable_thinking: Option<bool>,
    /// Whether the last message is the beginning of the answer.
    pub(crate) continues: bool,
    pub(crate) truncation: Truncation,
}

/// Deserialises a request body.
pub(crate) fn read<T: DeserializeOwned>(body: &Value) -> Result<T> {
    if !body.is_object() {
        return Err(RequestError::field("body", "it must be a JSON object"));
    }
    if len_bytes(body) > MAX_BODY_BYTES {
        return Err(RequestError::BodyTooLarge { max_bytes: MAX_BODY_BYTES });
    }
    serde_path_to_error::deserialize(body).map_err(|error| {
        let path = error.path().to_string();
        RequestError::field(path, error.into_inner().to_string())
    })
}

/// Bytes of a value's strings, with one for each other value.
fn len_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(len_bytes).sum(),
        Value::Object(entries) => entries.iter().map(|(key, value)| key.len() + len_bytes(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

/// The [`CommonFields`] of a request. Both request types have these fields, with the same names.
macro_rules! common_fields {
    ($request:ident, $max_tokens:expr, $logprobs:expr, $prediction:expr) => {
        CommonFields {
            sampling: [
                $request.temperature,
                $request.top_p,
                $request.min_p,
                $request.repetition_penalty,
                $request.frequency_penalty,
                $request.presence_penalty,
            ],
            top_k: $request.top_k,
            seed: $request.seed,
            stop: $request.stop.as_ref(),
            n: $request.n,
            logit_bias: $request.logit_bias.as_ref(),
            max_tokens: $max_tokens,
            logprobs: $logprobs,
            format: $request.response_format,
            processor: $request.logit_processor,
            draft_from: $prediction.or_else(|| $request.prompt_lookup.unwrap_or_default().then(String::new)),
            stream: $request.stream,
            stream_options: $request.stream_options,
        }
    };
}

/// The conversation and the options of a chat request. `seed` is used if the request has none.
pub(crate) fn chat(request: ChatCompletionRequest, seed: u32) -> Result<(Conversation, Options)> {
    let ChatCompletionRequest { mut messages, tools, tool_choice, .. } = request;
    let media = media::take(&mut messages)?;
    check_messages(&messages)?;
    let continues = request.continue_final_message.unwrap_or_default();
    let truncation = request.truncation.unwrap_or_default();
    if continues && messages.last().is_none_or(|message| message.role != "assistant") {
        let message = "the last message must be an assistant message";
        return Err(RequestError::field("continue_final_message", message));
    }
    let (tools, tool_choice) = tools::check(tools.unwrap_or_default(), tool_choice.as_ref())?;
    let arguments = [&request.chat_template_kwargs, &request.extra_body];
    let by_effort = request.reasoning_effort.as_deref().map(|effort| effort != "none");
    let enable_thinking = request
        .enable_thinking
        .or_else(|| arguments.into_iter().flatten().find_map(|arguments| arguments.enable_thinking))
        .or(by_effort);
    let logprobs = match (request.logprobs.unwrap_or_default(), request.top_logprobs) {
        (false, Some(top)) if top > 0 => {
            return Err(RequestError::field("top_logprobs", "it requires logprobs to be true"));
        }
        (false, _) => None,
        (true, top) => Some(top.unwrap_or_default()),
    };
    let prediction = request.prediction.as_ref().map(predicted_text).transpose()?;
    let max_tokens = match request.max_completion_tokens {
        Some(max) => ("max_completion_tokens", Some(max)),
        None => ("max_tokens", request.max_tokens),
    };
    let options = common_fields!(request, max_tokens, ("top_logprobs", logprobs), prediction).check(seed)?;
    let parallel_calls = request.parallel_tool_calls.unwrap_or(true);
    let conversation =
        Conversation { messages, media, tools, tool_choice, parallel_calls, enable_thinking, continues, truncation };
    Ok((conversation, options))
}

/// The prompts of a completion request, whether to echo them, and the options. `seed` is used if the request has none.
pub(crate) fn completion(request: CompletionRequest, seed: u32) -> Result<(Vec<String>, bool, Options)> {
    let prompts = strings(&request.prompt, "prompt")?;
    let max_tokens = ("max_tokens", Some(request.max_tokens.unwrap_or(16)));
    let options = common_fields!(request, max_tokens, ("logprobs", request.logprobs), None::<String>).check(seed)?;
    Ok((prompts, request.echo.unwrap_or_default(), options))
}

/// The text that the answer is expected to resemble.
fn predicted_text(prediction: &Prediction) -> Result<String> {
    if prediction.kind != "content" {
        return Err(RequestError::field("prediction.type", "it must be content"));
    }
    Ok(text_of(&prediction.content, "prediction.content")?.unwrap_or_default())
}

/// A string or an array of strings.
pub(crate) fn strings(value: &Value, param: &str) -> Result<Vec<String>> {
    let message = "it must be a string or an array of strings";
    match value {
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Array(values) if values.is_empty() => Err(RequestError::field(param, "it must not be empty")),
        Value::Array(values) => values
            .iter()
            .enumerate()
            .map(|(index, value)| {
                let text = value.as_str().ok_or_else(|| RequestError::field(format!("{param}[{index}]"), message))?;
                Ok(text.to_owned())
            })
            .collect(),
        _ => Err(RequestError::field(param, message)),
    }
}

/// The fields that chat and completion requests have in common, not yet validated.
struct CommonFields<'a> {
    /// In the order of the floats in [`SamplingParams`].
    sampling: [Option<f32>; 6],
    top_k: Option<u32>,
    seed: Option<i64>,
    stop: Option<&'a Value>,
    n: Option<u32>,
    logit_bias: Option<&'a Map<String, Value>>,
    /// The field's name, with its value.
    max_tokens: (&'static str, Option<u32>),
    /// The same.
    logprobs: (&'static str, Option<u32>),
    format: Option<ResponseFormat>,
    processor: Option<String>,
    draft_from: Option<String>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
}

impl CommonFields<'_> {
    fn check(self, seed: u32) -> Result<Options> {
        let [temperature, top_p, min_p, repetition_penalty, frequency_penalty, presence_penalty] = self.sampling;
        let params = SamplingParams {
            temperature: temperature.unwrap_or(1.0),
            top_p: top_p.unwrap_or(1.0),
            min_p: min_p.unwrap_or(0.0),
            repetition_penalty: repetition_penalty.unwrap_or(1.0),
            frequency_penalty: frequency_penalty.unwrap_or(0.0),
            presence_penalty: presence_penalty.unwrap_or(0.0),
            top_k: self.top_k.unwrap_or(0),
            // The engine's seeds have 32 bits.
            seed: self.seed.map_or(seed, |seed| (seed ^ (seed >> 32)) as u32),
        };
        params.validate()?;
        let choices = self.n.unwrap_or(1);
        if !(1..=MAX_CHOICES).contains(&choices) {
            return Err(RequestError::field("n", format!("it must be between 1 and {MAX_CHOICES}")));
        }
        let (param, logprobs) = self.logprobs;
        if logprobs.is_some_and(|top| top > MAX_TOP_LOGPROBS) {
            return Err(RequestError::field(param, format!("it must be at most {MAX_TOP_LOGPROBS}")));
        }
        let (param, max_tokens) = self.max_tokens;
        if max_tokens == Some(0) {
            return Err(RequestError::field(param, "it must be at least 1"));
        }
        let stream = self.stream.unwrap_or_default();
        if self.stream_options.is_some() && !stream {
            return Err(RequestError::field("stream_options", "it requires stream to be true"));
        }
        Ok(Options {
            params,
            bias: bias(self.logit_bias)?,
            stop_sequences: stop_sequences(self.stop)?,
            choices,
            max_tokens,
            logprobs,
            format: self.format,
            processor: self.processor,
            draft_from: self.draft_from,
            stream,
            include_usage: self.stream_options.is_some_and(|options| options.include_usage),
        })
    }
}

fn bias(bias: Option<&Map<String, Value>>) -> Result<Vec<(u32, f32)>> {
    let entries = bias.into_iter().flatten().map(|(id, value)| {
        let param = || format!("logit_bias.{id}");
        let id = id.parse().map_err(|_| RequestError::field(param(), "its name must be a token id"))?;
        match value.as_f64() {
            Some(value) if (-100.0..=100.0).contains(&value) => Ok((id, value as f32)),
            _ => Err(RequestError::field(param(), "it must be a number between -100 and 100")),
        }
    });
    entries.collect()
}

fn stop_sequences(stop: Option<&Value>) -> Result<Vec<String>> {
    let Some(stop) = stop.filter(|stop| !stop.is_null()) else { return Ok(Vec::new()) };
    let sequences = strings(stop, "stop")?;
    if sequences.len() > MAX_STOP_SEQUENCES {
        return Err(RequestError::field("stop", format!("there may be at most {MAX_STOP_SEQUENCES} strings")));
    }
    if sequences.iter().any(String::is_empty) {
        return Err(RequestError::field("stop", "a stop sequence must not be empty"));
    }
    Ok(sequences)
}

fn check_messages(messages: &[RequestMessage]) -> Result<()> {
    if messages.is_empty() {
        return Err(RequestError::field("messages", "there must be at least one message"));
    }
    for (index, message) in messages.iter().enumerate() {
        if !["system", "developer", "user", "assistant", "tool"].contains(&message.role.as_str()) {
            let text = format!("“{}” is not one of system, developer, user, assistant, tool", message.role);
            return Err(RequestError::field(format!("messages[{index}].role"), text));
        }
        let text = content_text(&message.content, index)?;
        let may_be_empty = message.role == "assistant";
        if text.is_none() && !may_be_empty {
            let param = format!("messages[{index}].content");
            return Err(RequestError::field(param, "it must be a string or an array of text parts"));
        }
    }
    Ok(())
}

/// The text of the message at `index`; `None` if it has no content.
pub(crate) fn content_text(content: &Value, index: usize) -> Result<Option<String>> {
    text_of(content, &format!("messages[{index}].content"))
}

/// The text of a string or of an array of text parts; `None` if it is null.
fn text_of(content: &Value, param: &str) -> Result<Option<String>> {
    match content {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Array(parts) => {
            let mut text = String::new();
            for (at, part) in parts.iter().enumerate() {
                let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
                let message = match (kind, part.get("text").and_then(Value::as_str)) {
                    ("text", Some(part)) => {
                        text.push_str(part);
                        continue;
                    }
                    ("image_url" | "input_image", _) => "only messages have images",
                    ("input_audio", _) => "only messages have recordings",
                    _ => "it must be {\"type\": \"text\", \"text\": ...}",
                };
                return Err(RequestError::field(format!("{param}[{at}]"), message));
            }
            Ok(Some(text))
        }
        _ => Err(RequestError::field(param, "it must be a string or an array of text parts")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The invalid field of a chat request with `more` fields.
    fn invalid_field(more: Value) -> String {
        let mut body = json!({ "messages": [{ "role": "user", "content": "Hi" }] });
        if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
            body.extend(more);
        }
        let result = read::<ChatCompletionRequest>(&body).and_then(|request| chat(request, 0));
        match result {
            Ok(_) => "none".to_owned(),
            Err(error) => {
                assert_eq!(error.status(), 400);
                error.param().unwrap_or("unknown").to_owned()
            }
        }
    }

    #[test]
    fn invalid_fields_are_named_and_unknown_fields_are_ignored() {
        let tool = json!([{ "type": "function", "function": { "name": "f" } }]);
        let allowed = |name: &str| {
            let tools = json!([{ "type": "function", "function": { "name": name } }]);
            json!({ "type": "allowed_tools", "allowed_tools": { "mode": "required", "tools": tools } })
        };
        let cases = [
            (json!({ "user": "x", "store": true, "metadata": { "a": 1 } }), "none"),
            (json!({ "temperature": null, "tools": null, "stop": null, "stream": null }), "none"),
            (json!({ "temperature": "hot" }), "temperature"),
            (json!({ "temperature": 3 }), "temperature"),
            (json!({ "top_p": 0 }), "top_p"),
            (json!({ "top_k": -1 }), "top_k"),
            (json!({ "max_tokens": 0 }), "max_tokens"),
            (json!({ "max_completion_tokens": 0, "max_tokens": 1 }), "max_completion_tokens"),
            (json!({ "max_tokens": 1.5 }), "max_tokens"),
            (json!({ "n": 0 }), "n"),
            (json!({ "seed": "x" }), "seed"),
            (json!({ "stop": 7 }), "stop"),
            (json!({ "stop": ["a", 7] }), "stop[1]"),
            (json!({ "stop": [""] }), "stop"),
            (json!({ "logit_bias": { "x": 1 } }), "logit_bias.x"),
            (json!({ "logit_bias": { "3": 101 } }), "logit_bias.3"),
            (json!({ "top_logprobs": 3 }), "top_logprobs"),
            (json!({ "logprobs": true, "top_logprobs": 21 }), "top_logprobs"),
            (json!({ "stream_options": { "include_usage": true } }), "stream_options"),
            (json!({ "stream": true, "stream_options": { "include_usage": 1 } }), "stream_options.include_usage"),
            (json!({ "messages": [] }), "messages"),
            (json!({ "messages": "Hi" }), "messages"),
            (json!({ "messages": [{ "role": "user", "content": "a" }, { "content": "b" }] }), "messages[1]"),
            (json!({ "messages": [{ "role": "robot", "content": "a" }] }), "messages[0].role"),
            (json!({ "messages": [{ "role": "user" }] }), "messages[0].content"),
            (json!({ "messages": [{ "role": "user", "content": 5 }] }), "messages[0].content"),
            (
                json!({ "messages": [{ "role": "user", "content": [{ "type": "image_url", "image_url": {} }] }] }),
                "messages[0].content[0].image_url.url",
            ),
            (json!({ "messages": [{ "role": "user", "content": [{ "type": "text", "text": "a" }] }] }), "none"),
            (json!({ "continue_final_message": true }), "continue_final_message"),
            (json!({ "truncation": "auto" }), "none"),
            (json!({ "truncation": null }), "none"),
            (json!({ "truncation": "middle" }), "truncation"),
            (json!({ "tools": [{ "type": "x", "function": { "name": "f" } }] }), "tools[0].type"),
            (json!({ "tools": [{ "type": "function", "function": { "name": "f g" } }] }), "tools[0].function.name"),
            (json!({ "tools": [{ "type": "function", "function": {} }] }), "tools[0].function"),
            (json!({ "tools": tool, "tool_choice": "maybe" }), "tool_choice"),
            (
                json!({ "tools": tool, "tool_choice": { "type": "function", "function": { "name": "g" } } }),
                "tool_choice.function.name",
            ),
            (json!({ "tool_choice": "required" }), "tool_choice"),
            (json!({ "tools": tool, "tool_choice": allowed("f") }), "none"),
            (json!({ "tools": tool, "tool_choice": allowed("g") }), "tool_choice.allowed_tools.tools"),
            (json!({ "tools": tool, "tool_choice": "none" }), "none"),
            (json!({ "response_format": { "kind": "text" } }), "response_format"),
        ];
        for (more, expected) in cases {
            assert_eq!(invalid_field(more.clone()), expected, "{more}");
        }
    }

    #[test]
    fn long_bodies_are_refused_before_anything_else_is_done_with_them() {
        let body = |len| json!({ "messages": [{ "role": "user", "content": "x".repeat(len) }] });
        assert!(read::<ChatCompletionRequest>(&body(MAX_BODY_BYTES - 100)).is_ok());
        for body in [body(MAX_BODY_BYTES), json!({ "unknown": "x".repeat(MAX_BODY_BYTES) })] {
            let error = read::<ChatCompletionRequest>(&body).err();
            assert_eq!(error.map(|error| error.status()), Some(413));
        }
    }

    #[test]
    fn every_form_of_enable_thinking_is_supported() {
        let cases = [
            (json!({}), None),
            (json!({ "enable_thinking": false }), Some(false)),
            (json!({ "chat_template_kwargs": { "enable_thinking": false } }), Some(false)),
            (json!({ "extra_body": { "enable_thinking": true } }), Some(true)),
            (json!({ "reasoning_effort": "none" }), Some(false)),
            (json!({ "reasoning_effort": "low" }), Some(true)),
        ];
        for (mut body, expected) in cases {
            body["messages"] = json!([{ "role": "user", "content": "Hi" }]);
            let request = read::<ChatCompletionRequest>(&body).unwrap_or_default();
            assert_eq!(chat(request, 0).map(|(conversation, _)| conversation.enable_thinking), Ok(expected), "{body}");
        }
    }
}

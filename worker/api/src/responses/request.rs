//! Translates a request to a chat completion.

mod items;
#[cfg(test)]
mod tests;

use parlance_protocol::openai::{
    ChatCompletionRequest, FunctionDefinition, JsonSchema, RequestMessage, Response, ResponseFormat, ResponseRequest,
    ResponseStatus, ResponseTool, StreamOptions, TextFormat, Tool,
};
use serde_json::{Value, json};

use self::items::Messages;
pub(super) use self::items::referenced_responses;
use super::kept::KeptResponse;
use crate::error::RequestError;
use crate::meta::Meta;
use crate::tools;

/// Asks for log probabilities.
const LOGPROBS: &str = "message.output_text.logprobs";

/// A translated request.
#[derive(Debug)]
pub(super) struct Translated {
    /// The request for the same answer.
    pub(super) chat: ChatCompletionRequest,
    /// The items of the conversation, as they are kept.
    pub(super) input: Vec<Value>,
    /// The field that each message comes from.
    pub(super) origins: Vec<String>,
}

/// Translates a request that refers to responses in `kept`. `random` makes the ids of items unique.
///
/// # Errors
/// [`RequestError::Field`] for what the chat completion does not check itself, [`RequestError::NoResponse`] if the previous one is missing.
pub(super) fn translate(
    request: &ResponseRequest,
    kept: &[KeptResponse],
    random: u64,
) -> Result<Translated, RequestError> {
    refuse_unsupported(request)?;
    let mut input = match &request.previous_response_id {
        None => Vec::new(),
        Some(id) => {
            let previous = kept.iter().find(|kept| kept.response.id == *id);
            let missing = || RequestError::NoResponse { id: id.clone(), param: "previous_response_id" };
            previous.ok_or_else(missing)?.items()
        }
    };
    let mut messages = Messages::default();
    if let Some(instructions) = &request.instructions {
        messages.push(RequestMessage::new("system", instructions.clone()), "instructions");
    }
    for item in &input {
        messages.add(item, "previous_response_id")?;
    }
    for (item, origin) in items::of_input(&request.input, random)? {
        let item = items::resolved(item, &origin, kept)?;
        messages.add(&item, &origin)?;
        input.push(item);
    }
    let mut tools: Vec<Tool> = request.tools.iter().flatten().map(tool).collect();
    let tool_choice = tool_choice(request.tool_choice.as_ref(), &mut tools)?;
    let (messages, origins) = messages.finish();
    let float = |value: Option<f64>| value.map(|value| value as f32);
    let stream = request.stream.unwrap_or_default();
    let has_logprobs = request.include.iter().flatten().any(|wanted| wanted == LOGPROBS);
    let top_logprobs = request.top_logprobs.unwrap_or_default();
    let chat = ChatCompletionRequest {
        messages,
        stream: Some(stream),
        stream_options: stream.then_some(StreamOptions { include_usage: true }),
        max_completion_tokens: request.max_output_tokens,
        temperature: float(request.temperature),
        top_p: float(request.top_p),
        top_k: request.top_k,
        min_p: float(request.min_p),
        repetition_penalty: float(request.repetition_penalty),
        frequency_penalty: float(request.frequency_penalty),
        presence_penalty: float(request.presence_penalty),
        seed: request.seed,
        logprobs: Some(has_logprobs || top_logprobs > 0),
        top_logprobs: request.top_logprobs,
        response_format: request.text.as_ref().map(|text| response_format(&text.format)),
        tools: (!tools.is_empty()).then_some(tools),
        tool_choice,
        parallel_tool_calls: request.parallel_tool_calls,
        reasoning_effort: request.reasoning.as_ref().and_then(|reasoning| reasoning.effort.clone()),
        truncation: request.truncation,
        ..ChatCompletionRequest::default()
    };
    Ok(Translated { chat, input, origins })
}

/// The response to a request, without output.
pub(super) fn response(request: ResponseRequest, meta: &Meta) -> Response {
    Response {
        id: format!("resp_{:016x}", meta.random),
        object: "response".to_owned(),
        created_at: meta.created,
        completed_at: None,
        status: ResponseStatus::InProgress,
        background: false,
        error: None,
        incomplete_details: None,
        instructions: request.instructions,
        max_output_tokens: request.max_output_tokens,
        metadata: request.metadata.unwrap_or_default(),
        model: meta.model.clone(),
        output: Vec::new(),
        parallel_tool_calls: request.parallel_tool_calls.unwrap_or(true),
        previous_response_id: request.previous_response_id,
        reasoning: request.reasoning.unwrap_or_default(),
        store: request.store.unwrap_or(true),
        temperature: request.temperature.unwrap_or(1.0),
        text: request.text.unwrap_or_default(),
        tool_choice: request.tool_choice.unwrap_or_else(|| "auto".into()),
        tools: request.tools.unwrap_or_default(),
        top_logprobs: request.top_logprobs.unwrap_or_default(),
        top_p: request.top_p.unwrap_or(1.0),
        truncation: request.truncation.unwrap_or_default(),
        usage: None,
        dropped_messages: None,
    }
}

/// The error of a chat completion, with the name that its field has in the Responses API.
pub(super) fn with_own_names(error: RequestError, origins: &[String]) -> RequestError {
    match error {
        RequestError::Field { param, message } => RequestError::Field { param: own_name(&param, origins), message },
        error => error,
    }
}

/// The name that a field of a chat completion has in the Responses API.
pub(super) fn own_name(param: &str, origins: &[String]) -> String {
    if let Some(rest) = param.strip_prefix("messages") {
        let message = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let Some((index, rest)) = message else { return "input".to_owned() };
        let origin = index.parse::<usize>().ok().and_then(|index| origins.get(index)).map_or("input", String::as_str);
        // There, images have no fields of their own.
        let rest = rest.replace(".image_url.url", ".image_url").replace(".image_url.detail", ".detail");
        // A message from another field has no name of its own.
        return if origin.starts_with("input[") { format!("{origin}{rest}") } else { origin.to_owned() };
    }
    if let Some(rest) = param.strip_prefix("response_format") {
        return format!("text.format{}", rest.strip_prefix(".json_schema").unwrap_or(rest));
    }
    match param {
        "max_completion_tokens" => "max_output_tokens".to_owned(),
        _ if param.starts_with("tool") => param.replacen(".function", "", 1),
        _ => param.to_owned(),
    }
}

fn refuse_unsupported(request: &ResponseRequest) -> Result<(), RequestError> {
    let refused = [
        (request.background == Some(true), "background", "responses are generated while their request waits"),
        (!request.conversation.is_null(), "conversation", "there are none here; use previous_response_id"),
        (!request.prompt.is_null(), "prompt", "there are no stored prompts here"),
    ];
    match refused.into_iter().find(|(is_refused, ..)| *is_refused) {
        Some((_, param, message)) => Err(RequestError::field(param, message)),
        None => Ok(()),
    }
}

fn tool(tool: &ResponseTool) -> Tool {
    let ResponseTool { kind, name, description, parameters, .. } = tool.clone();
    Tool { kind, function: FunctionDefinition { name, description, parameters } }
}

/// The tool choice of a chat completion. Removes tools that are not allowed.
fn tool_choice(choice: Option<&Value>, tools: &mut Vec<Tool>) -> Result<Option<Value>, RequestError> {
    let Some(Value::Object(entries)) = choice else { return Ok(choice.cloned()) };
    match entries.get("type").and_then(Value::as_str) {
        Some("function") => {
            let name = entries.get("name").cloned().unwrap_or_default();
            Ok(Some(json!({ "type": "function", "function": { "name": name } })))
        }
        Some("allowed_tools") => {
            let allowed = entries.get("tools").and_then(Value::as_array).into_iter().flatten();
            tools::retain_named(tools, allowed.filter_map(|tool| tool.get("name")?.as_str()));
            if tools.is_empty() {
                return Err(RequestError::field("tool_choice.tools", "it must name one of the tools"));
            }
            Ok(entries.get("mode").cloned())
        }
        _ => Err(RequestError::field("tool_choice.type", "it must be function or allowed_tools")),
    }
}

fn response_format(format: &TextFormat) -> ResponseFormat {
    let TextFormat { kind, name, schema, strict, regex, grammar, .. } = format.clone();
    let is_schema = kind == "json_schema";
    let json_schema = JsonSchema { name: name.unwrap_or_default(), schema: schema.clone(), strict };
    ResponseFormat {
        kind,
        json_schema: is_schema.then_some(json_schema),
        schema: schema.filter(|_| !is_schema),
        regex,
        grammar,
    }
}

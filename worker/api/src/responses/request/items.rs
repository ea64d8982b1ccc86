//! Items of a conversation, and the messages that they become.

use std::collections::HashSet;

use parlance_protocol::openai::{FunctionCall, RequestMessage, ToolCall};
use serde_json::{Map, Value, json};

use crate::error::RequestError;
use crate::responses::kept::KeptResponse;

/// The items of a request's input, each with its field.
///
/// # Errors
/// [`RequestError::Field`] if it is neither a string nor an array of objects.
pub(super) fn of_input(input: &Value, random: u64) -> Result<Vec<(Value, String)>, RequestError> {
    let with_id = |mut item: Map<String, Value>, index: usize| {
        let id = item.get("id").and_then(Value::as_str).map(str::to_owned);
        let id = id.unwrap_or_else(|| format!("item_{random:016x}_{index}"));
        item.insert("id".to_owned(), id.into());
        Value::Object(item)
    };
    match input {
        Value::Null => Ok(Vec::new()),
        Value::String(text) => {
            let entries = [("role", "user"), ("content", text.as_str())];
            let item = entries.map(|(key, text)| (key.to_owned(), Value::from(text)));
            Ok(vec![(with_id(as_kept(Map::from_iter(item)), 0), "input".to_owned())])
        }
        Value::Array(items) => {
            let items = items.iter().enumerate().map(|(index, item)| {
                let param = format!("input[{index}]");
                match item {
                    Value::Object(item) => Ok((with_id(as_kept(item.clone()), index), param)),
                    _ => Err(RequestError::field(param, "it must be an object")),
                }
            });
            items.collect()
        }
        _ => Err(RequestError::field("input", "it must be a string or an array of items")),
    }
}

/// Whether an item stands for one that is kept.
fn is_reference(item: &Value) -> bool {
    item.get("type").is_some_and(|kind| *kind == "item_reference")
}

/// The ids of the responses whose items a request's input names.
pub(in crate::responses) fn referenced_responses(body: &Value) -> impl Iterator<Item = String> {
    let items = body.get("input").and_then(Value::as_array).into_iter().flatten();
    // An item's id has that of its response: `msg_0123_0` belongs to `resp_0123`.
    items.filter(|item| is_reference(item)).filter_map(|item| {
        let (_, rest) = item.get("id")?.as_str()?.split_once('_')?;
        Some(format!("resp_{}", rest.split_once('_')?.0))
    })
}

/// The item itself or, if it is a reference, the kept one that it names.
///
/// # Errors
/// [`RequestError::Field`] if there is none of that id.
pub(super) fn resolved(item: Value, origin: &str, kept: &[KeptResponse]) -> Result<Value, RequestError> {
    if !is_reference(&item) {
        return Ok(item);
    }
    let id = text(&item, "id", origin)?;
    let found = kept.iter().find_map(|kept| kept.item(&id));
    found.ok_or_else(|| RequestError::field(field(origin, "id"), format!("there is no item “{id}” on this device")))
}

/// An item with the fields that the short form of a message omits.
fn as_kept(mut item: Map<String, Value>) -> Map<String, Value> {
    if item.get("type").is_none_or(Value::is_null) && item.contains_key("role") {
        item.insert("type".to_owned(), "message".into());
    }
    if item.get("type").and_then(Value::as_str) == Some("message")
        && let Some(Value::String(text)) = item.get("content")
    {
        let is_output = item.get("role").and_then(Value::as_str) == Some("assistant");
        let part = if is_output {
            json!({ "type": "output_text", "text": text, "annotations": [] })
        } else {
            json!({ "type": "input_text", "text": text })
        };
        item.insert("content".to_owned(), json!([part]));
    }
    item.entry("status").or_insert_with(|| "completed".into());
    item
}

/// The messages of a conversation.
#[derive(Debug, Default)]
pub(super) struct Messages {
    list: Vec<RequestMessage>,
    /// The field that each of them comes from.
    origins: Vec<String>,
    /// Ids of the function calls.
    calls: HashSet<String>,
}

impl Messages {
    /// The messages, and the field that each of them comes from.
    pub(super) fn finish(self) -> (Vec<RequestMessage>, Vec<String>) {
        (self.list, self.origins)
    }

    /// Appends a message.
    pub(super) fn push(&mut self, message: RequestMessage, origin: &str) {
        self.list.push(message);
        self.origins.push(origin.to_owned());
    }

    /// Appends an item. Reasoning, text and calls of the same answer become one message.
    ///
    /// # Errors
    /// [`RequestError::Field`] for an item that is invalid or not supported.
    pub(super) fn add(&mut self, item: &Value, origin: &str) -> Result<(), RequestError> {
        match item.get("type").and_then(Value::as_str) {
            Some("message") => self.add_message(item, origin),
            Some("reasoning") => {
                let reasoning = reasoning(item);
                let is_new = |last: &RequestMessage| has_answer(last) || last.reasoning_content.is_some();
                self.answer(origin, is_new).reasoning_content = Some(reasoning);
                Ok(())
            }
            Some("function_call") => {
                let [id, name, arguments] = ["call_id", "name", "arguments"].map(|key| text(item, key, origin));
                let (id, function) = (id?, FunctionCall { name: name?, arguments: arguments? });
                self.calls.insert(id.clone());
                let call = ToolCall { id, kind: "function".to_owned(), function };
                self.answer(origin, |_| false).tool_calls.get_or_insert_default().push(call);
                Ok(())
            }
            Some("function_call_output") => {
                let id = text(item, "call_id", origin)?;
                if !self.calls.contains(&id) {
                    let message = format!("there is no function call “{id}” before it");
                    return Err(RequestError::field(field(origin, "call_id"), message));
                }
                let content = content(item.get("output"), &field(origin, "output"))?;
                let message = RequestMessage { content, tool_call_id: Some(id), ..RequestMessage::new("tool", "") };
                self.push(message, origin);
                Ok(())
            }
            Some(other) => {
                let message = format!(
                    "“{other}” is not one of message, reasoning, function_call, function_call_output, item_reference"
                );
                Err(RequestError::field(field(origin, "type"), message))
            }
            None => Err(RequestError::field(origin, "it must have a type, or a role and content")),
        }
    }

    fn add_message(&mut self, item: &Value, origin: &str) -> Result<(), RequestError> {
        let role = text(item, "role", origin)?;
        if !["user", "assistant", "system", "developer"].contains(&role.as_str()) {
            let message = format!("“{role}” is not one of user, assistant, system, developer");
            return Err(RequestError::field(field(origin, "role"), message));
        }
        let content = content(item.get("content"), &field(origin, "content"))?;
        if role == "assistant" {
            self.answer(origin, has_answer).content = content;
        } else {
            self.push(RequestMessage { content, ..RequestMessage::new(role, "") }, origin);
        }
        Ok(())
    }

    /// The message of the answer that an item belongs to: the last message, unless it `is_complete`.
    fn answer(&mut self, origin: &str, is_complete: impl Fn(&RequestMessage) -> bool) -> &mut RequestMessage {
        let last = self.list.last().filter(|last| last.role == "assistant");
        if last.is_none_or(is_complete) {
            let message = RequestMessage { role: "assistant".to_owned(), ..RequestMessage::default() };
            self.push(message, origin);
        }
        let last = self.list.len() - 1;
        &mut self.list[last]
    }
}

/// Whether an answer has more than reasoning.
fn has_answer(message: &RequestMessage) -> bool {
    !message.content.is_null() || message.tool_calls.is_some()
}

/// The text of a reasoning item.
fn reasoning(item: &Value) -> String {
    let texts = |key: &str| {
        let parts = item.get(key).and_then(Value::as_array).into_iter().flatten();
        parts.filter_map(|part| part.get("text")?.as_str()).collect::<Vec<_>>().join("\n\n")
    };
    let content = texts("content");
    if content.is_empty() { texts("summary") } else { content }
}

/// A string of an item.
fn text(item: &Value, key: &str, origin: &str) -> Result<String, RequestError> {
    let text = item.get(key).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| RequestError::field(field(origin, key), "it must be a string"))
}

/// The name of an item's field. Only items of the input have fields.
fn field(origin: &str, key: &str) -> String {
    if origin.starts_with("input[") { format!("{origin}.{key}") } else { origin.to_owned() }
}

/// The content of a message, for the same text or parts.
fn content(content: Option<&Value>, param: &str) -> Result<Value, RequestError> {
    match content {
        Some(Value::String(text)) => Ok(text.as_str().into()),
        Some(Value::Array(parts)) => {
            let parts = parts.iter().enumerate().map(|(index, part)| content_part(part, &format!("{param}[{index}]")));
            parts.collect()
        }
        _ => Err(RequestError::field(param, "it must be a string or an array of parts")),
    }
}

fn content_part(part: &Value, param: &str) -> Result<Value, RequestError> {
    let string = |key: &str| part.get(key).and_then(Value::as_str);
    match string("type") {
        Some("input_text" | "output_text" | "text") => {
            let text =
                string("text").ok_or_else(|| RequestError::field(format!("{param}.text"), "it must be a string"))?;
            Ok(json!({ "type": "text", "text": text }))
        }
        Some("refusal") => Ok(json!({ "type": "text", "text": string("refusal") })),
        // Whether the model sees images, and from where, the chat completion checks.
        Some("input_image") => match string("image_url") {
            Some(url) => Ok(json!({ "type": "image_url", "image_url": { "url": url, "detail": string("detail") } })),
            None => Err(RequestError::field(format!("{param}.image_url"), "it must be a string")),
        },
        // So it does with sounds, whose form is the same there.
        Some("input_audio") => Ok(part.clone()),
        Some("input_file") => Err(RequestError::field(param, "files are not supported")),
        _ => Err(RequestError::field(param, "it must be {\"type\": \"input_text\", \"text\": ...}")),
    }
}

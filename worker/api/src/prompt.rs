//! From a conversation to the prompt's tokens.

use parlance_engine::template::TemplateOptions;
use parlance_protocol::openai::{FunctionDefinition, RequestMessage, Truncation};
use serde_json::{Map, Value, json};

use crate::error::RequestError;
use crate::language::Language;
use crate::parse::{Conversation, content_text};
use crate::turns;

/// The context divided by this is kept free for an answer without a limit of its own, and is what goes at once where turns are left out.
const SHARES: usize = 4;

/// A prompt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Prompt {
    /// Its tokens.
    pub(crate) ids: Vec<u32>,
    /// Whether it ends where the model's thoughts begin.
    pub(crate) opens_thoughts: bool,
    /// The oldest messages of the conversation that it lacks.
    pub(crate) dropped_messages: u32,
}

/// The prompt for an answer of at most `max_tokens` to a conversation. If the request says so, the oldest turns are left out where they would
/// not fit with the answer.
///
/// # Errors
/// [`RequestError::Engine`] if the template refuses it, [`RequestError::QuestionTooLong`] if what must stay does not fit.
pub(crate) fn of_conversation(
    language: &Language,
    conversation: &Conversation,
    max_tokens: Option<u32>,
) -> Result<Prompt, RequestError> {
    let whole = of_messages(language, conversation, &conversation.messages)?;
    if conversation.truncation == Truncation::Disabled {
        return Ok(whole);
    }
    let context_tokens = language.context_tokens();
    let share = (context_tokens / SHARES).max(1);
    let answer_tokens = max_tokens.map_or(share, |max| share.min(max as usize));
    let surplus = (whole.ids.len() + answer_tokens).saturating_sub(context_tokens);
    let prompt = if surplus == 0 { whole } else { shortened(language, conversation, whole, surplus, share)? };
    if prompt.ids.len() >= context_tokens {
        return Err(RequestError::QuestionTooLong { prompt_tokens: prompt.ids.len(), context_tokens });
    }
    Ok(prompt)
}

/// The prompt `whole` without the oldest turns that have `surplus` tokens. A whole number of shares goes, so that the prompt begins in
/// the same way for some turns, and what is computed of it stays of use. The last turn stays in any case.
fn shortened(
    language: &Language,
    conversation: &Conversation,
    whole: Prompt,
    surplus: usize,
    share: usize,
) -> Result<Prompt, RequestError> {
    let starts = turns::starts(&conversation.messages);
    let from = |start| {
        let kept = turns::since(&conversation.messages, start);
        let prompt = of_messages(language, conversation, &kept)?;
        let dropped_messages = (conversation.messages.len() - kept.len()) as u32;
        Ok::<_, RequestError>(Prompt { dropped_messages, ..prompt })
    };
    let Some((&last, [_, between @ ..])) = starts.split_last() else { return Ok(whole) };
    let tokens = surplus.next_multiple_of(share);
    let mut found = from(last)?;
    // The fewest turns that have as many tokens. Each step renders the conversation, so there are few.
    let (mut low, mut high) = (0, between.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        let prompt = from(between[middle])?;
        if prompt.ids.len() + tokens <= whole.ids.len() {
            (found, high) = (prompt, middle);
        } else {
            low = middle + 1;
        }
    }
    Ok(found)
}

/// The prompt for an answer to these messages of a conversation.
fn of_messages(
    language: &Language,
    conversation: &Conversation,
    messages: &[RequestMessage],
) -> Result<Prompt, RequestError> {
    let last = messages.last();
    let describes_tools = !conversation.tools.is_empty() && !language.tools().is_native;
    let is_foreign = !language.tools().is_native;
    let read = if is_foreign { without_tools } else { for_template };
    let messages = messages.iter().enumerate().map(|(index, message)| read(message, index));
    let mut messages: Vec<Value> = messages.collect::<Result<_, _>>()?;
    if describes_tools {
        describe(&mut messages, &conversation.tools);
    }
    let tools = (!conversation.tools.is_empty() && !is_foreign).then(|| {
        let tools = conversation.tools.iter().map(|function| json!({ "type": "function", "function": function }));
        tools.collect::<Value>()
    });
    let options = TemplateOptions {
        tools,
        enable_thinking: conversation.thinking,
        continues: conversation.continues,
        now_seconds: None,
    };
    let text = language.chat().prompt_text(&Value::Array(messages), &options)?;
    let text = match last {
        Some(last) if conversation.continues => {
            let content = content_text(&last.content, 0)?.unwrap_or_default();
            cut_after(&text, &language.chat().tokenizer().guard(&content))
        }
        _ => text,
    };
    let opens_thoughts = crate::text::THINK_MARKERS.iter().any(|(open, _)| text.trim_end().ends_with(open));
    Ok(Prompt { ids: language.chat().encode_prompt(&text)?, opens_thoughts, dropped_messages: 0 })
}

/// The prompt up to the end of `content`, whose turn the template has ended.
fn cut_after(text: &str, content: &str) -> String {
    let content = content.trim();
    match text.rfind(content) {
        Some(at) if !content.is_empty() => text[..at + content.len()].to_owned(),
        _ => text.to_owned(),
    }
}

/// A message as templates with tools take it: arguments are objects there, not text.
fn for_template(message: &RequestMessage, index: usize) -> Result<Value, RequestError> {
    let mut entries = Map::new();
    let role = if message.role == "developer" { "system" } else { &message.role };
    entries.insert("role".to_owned(), role.into());
    let content = content_text(&message.content, index)?;
    entries.insert("content".to_owned(), content.unwrap_or_default().into());
    let texts = [
        ("name", &message.name),
        ("tool_call_id", &message.tool_call_id),
        ("reasoning_content", &message.reasoning_content),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            entries.insert(key.to_owned(), text.as_str().into());
        }
    }
    if let Some(calls) = message.tool_calls.as_ref().filter(|calls| !calls.is_empty()) {
        let calls = calls.iter().map(|call| {
            json!({ "id": call.id, "type": "function", "function": {
                "name": call.function.name, "arguments": arguments(&call.function.arguments),
            } })
        });
        entries.insert("tool_calls".to_owned(), calls.collect());
    }
    Ok(Value::Object(entries))
}

/// A message for templates that know no tools: calls and their results are text.
fn without_tools(message: &RequestMessage, index: usize) -> Result<Value, RequestError> {
    let mut text = content_text(&message.content, index)?.unwrap_or_default();
    let role = match message.role.as_str() {
        "developer" => "system",
        "tool" => {
            text = format!("<tool_response>\n{text}\n</tool_response>");
            "user"
        }
        role => role,
    };
    for call in message.tool_calls.iter().flatten() {
        let call = json!({ "name": call.function.name, "arguments": arguments(&call.function.arguments) });
        let separator = if text.is_empty() { "" } else { "\n" };
        text = format!("{text}{separator}<tool_call>\n{call}\n</tool_call>");
    }
    Ok(json!({ "role": role, "content": text }))
}

fn arguments(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// Tells the model of its tools, in the words that models of many families were trained on, in the system message.
fn describe(messages: &mut Vec<Value>, tools: &[FunctionDefinition]) {
    let tools: Vec<String> =
        tools.iter().map(|tool| json!({ "type": "function", "function": tool }).to_string()).collect();
    let text = format!(
        "You can call functions. Their descriptions, one a line:\n<tools>\n{}\n</tools>\nTo call one, answer with its name \
         and arguments as JSON within tags:\n<tool_call>\n{{\"name\": <name>, \"arguments\": <arguments>}}\n</tool_call>",
        tools.join("\n")
    );
    let is_system = |message: &Value| message.get("role").and_then(Value::as_str) == Some("system");
    match messages.first_mut().filter(|first| is_system(first)) {
        Some(first) => {
            let content = first.get("content").and_then(Value::as_str).unwrap_or_default();
            let content = format!("{content}\n\n{text}");
            *first = json!({ "role": "system", "content": content });
        }
        None => messages.insert(0, json!({ "role": "system", "content": text })),
    }
}

//! Turns a conversation into a prompt, and drops its oldest turns if the context is full.

use std::rc::Rc;

use parlance_engine::runtime::{self, Part, Span};
use parlance_engine::template::TemplateOptions;
use parlance_protocol::openai::{FunctionDefinition, RequestMessage, Truncation};
use serde_json::{Map, Value, json};

use crate::codec::ChatCodec;
use crate::error::RequestError;
use crate::media::{self, Marked, Media, PromptMedium};
use crate::output_parser::{ReasoningEnds, opened_reasoning};
use crate::parse::{Conversation, content_text};
use crate::tools::{CallForm, ToolFormat, ToolStyle};
use crate::turns;

/// A quarter of the context is reserved for an answer without a token limit, and is the unit in which turns are dropped.
const CONTEXT_SHARES: usize = 4;

/// A piece of a prompt.
#[derive(Clone)]
pub(crate) enum Piece {
    Tokens(Vec<u32>),
    Medium(Rc<PromptMedium>),
}

/// A prompt.
#[derive(Clone, Default)]
pub(crate) struct Prompt {
    pub(crate) pieces: Vec<Piece>,
    /// What ends the reasoning that it opens, if it does.
    pub(crate) reasoning_ends: Option<ReasoningEnds>,
    /// How many of the oldest messages were dropped.
    pub(crate) dropped_messages: u32,
}

impl Prompt {
    /// A prompt without images and sounds.
    pub(crate) fn of_tokens(ids: Vec<u32>) -> Self {
        Self { pieces: vec![Piece::Tokens(ids)], ..Self::default() }
    }

    /// The number of its tokens, including those of images and sounds.
    pub(crate) fn len(&self) -> usize {
        let lens = self.pieces.iter().map(|piece| match piece {
            Piece::Tokens(ids) => ids.len(),
            Piece::Medium(medium) => medium.len(),
        });
        lens.sum()
    }

    /// Its images and sounds.
    pub(crate) fn media(&self) -> impl Iterator<Item = &Rc<PromptMedium>> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Tokens(_) => None,
            Piece::Medium(medium) => Some(medium),
        })
    }

    /// The same for the engine, followed by an answer's tokens so far.
    pub(crate) fn with_answer<'a>(&'a self, answer: &'a [u32]) -> runtime::Prompt<'a> {
        let mut spans = Vec::with_capacity(self.pieces.len() + 1);
        for piece in &self.pieces {
            match piece {
                Piece::Tokens(ids) => spans.push(Span::Tokens(ids)),
                Piece::Medium(medium) => spans.extend(medium.parts().iter().map(Part::span)),
            }
        }
        if !answer.is_empty() {
            spans.push(Span::Tokens(answer));
        }
        runtime::Prompt(spans)
    }
}

/// The prompt for an answer of at most `max_tokens` to a conversation with these images and sounds. If the request allows it, the oldest turns
/// are dropped until prompt and answer fit the context.
///
/// # Errors
/// [`RequestError::Engine`] if the template rejects the conversation, [`RequestError::QuestionTooLong`] if the part that cannot be
/// dropped does not fit.
pub(crate) fn from_conversation(
    codec: &ChatCodec,
    conversation: &Conversation,
    media: &Media,
    max_tokens: Option<u32>,
) -> Result<Prompt, RequestError> {
    let render = |messages: &[RequestMessage]| from_messages(codec, conversation, messages, media);
    let full = render(&conversation.messages)?;
    if conversation.truncation == Truncation::Disabled {
        return Ok(full);
    }
    let context_tokens = codec.context_tokens();
    let share = (context_tokens / CONTEXT_SHARES).max(1);
    let answer_tokens = max_tokens.map_or(share, |max| share.min(max as usize));
    let excess = (full.len() + answer_tokens).saturating_sub(context_tokens);
    let prompt = if excess == 0 { full } else { truncated(&conversation.messages, render, full, excess, share)? };
    if prompt.len() >= context_tokens {
        return Err(RequestError::QuestionTooLong { prompt_tokens: prompt.len(), context_tokens });
    }
    Ok(prompt)
}

/// Drops as few of the oldest turns as have `excess` tokens, rounded up to a multiple of `share`. Thanks to the rounding, the prompt
/// begins the same way for several turns, and that part stays in the KV cache. The last turn is always kept.
fn truncated(
    messages: &[RequestMessage],
    render: impl Fn(&[RequestMessage]) -> Result<Prompt, RequestError>,
    full: Prompt,
    excess: usize,
    share: usize,
) -> Result<Prompt, RequestError> {
    let starts = turns::starts(messages);
    let prompt_from = |start| {
        let kept = turns::messages_from(messages, start);
        let prompt = render(&kept)?;
        let dropped_messages = (messages.len() - kept.len()) as u32;
        Ok::<_, RequestError>(Prompt { dropped_messages, ..prompt })
    };
    let Some((&last, [_, between @ ..])) = starts.split_last() else { return Ok(full) };
    let excess = excess.next_multiple_of(share);
    let mut found = prompt_from(last)?;
    // A binary search for the fewest turns with that many tokens, because each step renders the conversation.
    let (mut low, mut high) = (0, between.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        let prompt = prompt_from(between[middle])?;
        if prompt.len() + excess <= full.len() {
            (found, high) = (prompt, middle);
        } else {
            low = middle + 1;
        }
    }
    Ok(found)
}

/// The prompt for an answer to these messages of a conversation.
fn from_messages(
    codec: &ChatCodec,
    conversation: &Conversation,
    messages: &[RequestMessage],
    media: &Media,
) -> Result<Prompt, RequestError> {
    let last = messages.last();
    let has_tools = !conversation.tools.is_empty();
    let ToolStyle { format, describes_tools, calls } = *codec.tools();
    let messages = messages.iter().enumerate().map(|(index, message)| match calls {
        Some(form) => with_tool_calls(message, index, form),
        None => with_calls_as_text(message, index),
    });
    let mut messages: Vec<Value> = messages.collect::<Result<_, _>>()?;
    let expected = media::indices(messages.iter().filter_map(|message| message["content"].as_str()));
    if has_tools && !describes_tools {
        describe_tools(&mut messages, &conversation.tools, format);
    }
    let tools = (has_tools && describes_tools).then(|| conversation.tools.iter().map(tool).collect());
    let options = TemplateOptions {
        tools,
        enable_thinking: conversation.enable_thinking,
        continues: conversation.continues,
        now_seconds: None,
    };
    let text = codec.chat().prompt_text(&Value::Array(messages), &options)?;
    let text = match last {
        Some(last) if conversation.continues => {
            let content = content_text(&last.content, 0)?.unwrap_or_default();
            cut_after(&text, &codec.chat().tokenizer().guard(&content))
        }
        _ => text,
    };
    let reasoning_ends = opened_reasoning(&text);
    if media.is_empty() {
        return Ok(Prompt { reasoning_ends, ..Prompt::of_tokens(codec.chat().encode_prompt(&text)?) });
    }
    if media::indices([text.as_str()]) != expected {
        return Err(RequestError::field(
            "messages",
            "the model's chat template does not show all images and recordings, in order",
        ));
    }
    Ok(Prompt { pieces: pieces(codec, &text, media)?, reasoning_ends, dropped_messages: 0 })
}

/// The pieces of a text with markers. Texts around images and sounds become tokens one by one, as in llama.cpp.
fn pieces(codec: &ChatCodec, text: &str, media: &Media) -> Result<Vec<Piece>, RequestError> {
    let mut pieces = Vec::new();
    for piece in media::split(text) {
        match piece {
            Marked::Text(text) if pieces.is_empty() => pieces.push(Piece::Tokens(codec.chat().encode_prompt(text)?)),
            Marked::Text("") => {}
            Marked::Text(text) => pieces.push(Piece::Tokens(codec.chat().tokenizer().encode(text)?)),
            Marked::Medium(index) => pieces.extend(media.get(index).cloned().map(Piece::Medium)),
        }
    }
    Ok(pieces)
}

/// The prompt up to the end of `content`, without the end-of-turn marker that the template adds.
fn cut_after(text: &str, content: &str) -> String {
    let content = content.trim();
    match text.rfind(content) {
        Some(at) if !content.is_empty() => text[..at + content.len()].to_owned(),
        _ => text.to_owned(),
    }
}

/// A tool in the form that templates expect.
fn tool(function: &FunctionDefinition) -> Value {
    json!({ "type": "function", "function": function })
}

/// A message for templates that show calls.
fn with_tool_calls(message: &RequestMessage, index: usize, form: CallForm) -> Result<Value, RequestError> {
    let mut entries = Map::new();
    let role = if message.role == "developer" { "system" } else { &message.role };
    entries.insert("role".to_owned(), role.into());
    let content = content_text(&message.content, index)?.unwrap_or_default();
    let calls = message.tool_calls.as_ref().filter(|calls| !calls.is_empty());
    // gpt-oss has a name of its own for it, and rejects it in messages with content.
    let thinking = message.reasoning_content.clone().filter(|_| content.is_empty());
    let has_content = calls.is_none() || !form.without_content;
    entries.insert("content".to_owned(), if has_content { content.into() } else { Value::Null });
    let id = message.tool_call_id.as_ref().map(|id| form.id(id));
    let texts = [
        ("name", &message.name),
        ("tool_call_id", &id),
        ("reasoning_content", &message.reasoning_content),
        ("thinking", &thinking),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            entries.insert(key.to_owned(), text.as_str().into());
        }
    }
    if let Some(calls) = calls {
        let calls = calls.iter().map(|call| {
            let text = &call.function.arguments;
            let arguments = if form.arguments_as_text { text.as_str().into() } else { arguments(text) };
            json!({ "id": form.id(&call.id), "type": "function", "function": {
                "name": call.function.name, "arguments": arguments,
            } })
        });
        entries.insert("tool_calls".to_owned(), calls.collect());
    }
    Ok(Value::Object(entries))
}

/// A message for templates that do not support tools: calls and their results become text.
fn with_calls_as_text(message: &RequestMessage, index: usize) -> Result<Value, RequestError> {
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

/// Describes the tools in the system message, and the format of calls.
fn describe_tools(messages: &mut Vec<Value>, tools: &[FunctionDefinition], format: ToolFormat) {
    let tools: Vec<String> = tools.iter().map(|function| tool(function).to_string()).collect();
    let text = format!(
        "You can call functions. Their descriptions, one a line:\n<tools>\n{}\n</tools>\nTo call one, answer with its name \
         and arguments as JSON within tags:\n{}",
        tools.join("\n"),
        format.example()
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

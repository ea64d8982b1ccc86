//! From a conversation to what the model is asked.

use parlance_protocol::library::{Attachment, Role};
use parlance_protocol::openai::{ChatCompletionRequest, FunctionCall, RequestMessage, ToolCall, Truncation};
use serde_json::Value;

use super::tools;
use crate::conversation::{ChatMessage, MessageId};
use crate::settings::{Sampling, Settings};

/// What the model is asked.
pub(crate) struct Question {
    pub(crate) request: ChatCompletionRequest,
    /// For each message of the request, instructions left out, the one on screen that it is a part of.
    pub(crate) origins: Vec<MessageId>,
}

/// Asks for the answer that the last of `messages` is to hold; what it holds already is continued.
pub(crate) fn request(messages: &[&ChatMessage], system: &str, sampling: Sampling, settings: &Settings) -> Question {
    let mut asked: Vec<RequestMessage> = Vec::with_capacity(messages.len() + 1);
    if !system.trim().is_empty() {
        asked.push(RequestMessage::new("system", system.trim()));
    }
    let mut origins = Vec::with_capacity(messages.len());
    for message in messages {
        let before = asked.len();
        push(&mut asked, message);
        origins.extend((before..asked.len()).map(|_| message.id));
    }
    let rounds = messages.last().map_or(0, |message| message.tools.len());
    // What has begun is written to its end without further calls.
    let continues = asked.last().is_some_and(|message| message.role == "assistant");
    let uses_tools = settings.uses_tools && !continues && rounds < tools::MAX_ROUNDS;
    let request = ChatCompletionRequest {
        messages: asked,
        continue_final_message: continues.then_some(true),
        enable_thinking: (!settings.thinks).then_some(false),
        tools: uses_tools.then(tools::definitions),
        // Who wants an answer that can be repeated gets it to the last bit.
        prompt_lookup: (settings.guesses_ahead && sampling.seed.is_none()).then_some(true),
        truncation: settings.drops_oldest.then_some(Truncation::Auto),
        ..sampling.request()
    };
    Question { request, origins }
}

/// A message as the engine takes it, with the tools that were used for it before. An answer without a word is left out.
fn push(asked: &mut Vec<RequestMessage>, message: &ChatMessage) {
    for (index, tool) in message.tools.iter().enumerate() {
        let id = format!("{}-{index}", message.id);
        let function = FunctionCall { name: tool.name.clone(), arguments: tool.arguments.clone() };
        let call = ToolCall { index: None, id: id.clone(), kind: "function".to_owned(), function };
        let call = RequestMessage { tool_calls: Some(vec![call]), ..RequestMessage::new("assistant", "") };
        let result = RequestMessage { tool_call_id: Some(id), ..RequestMessage::new("tool", tool.result.clone()) };
        asked.extend([call, result]);
    }
    if message.role == Role::Assistant && message.content.is_empty() {
        return;
    }
    let files = if message.sources.is_empty() { &message.attachments } else { &message.sources };
    let text = with_attachments(&message.content, files);
    asked.push(RequestMessage { content: Value::String(text), ..RequestMessage::new(message.role.as_str(), "") });
}

/// A message with its files in front, each between lines that name it.
fn with_attachments(content: &str, attachments: &[Attachment]) -> String {
    let files = attachments.iter().map(|file| format!("File “{}”:\n\n{}\n\n---\n\n", file.name, file.text.trim()));
    files.collect::<String>() + content
}

#[cfg(test)]
mod tests {
    use parlance_protocol::library::{Id, Message, ToolUse};

    use super::*;
    use crate::conversation::AnswerState;

    fn message(role: Role, content: &str) -> ChatMessage {
        let record = Message { id: Id(1), role, content: content.to_owned(), ..Message::default() };
        ChatMessage::from_record(record, AnswerState::CutOff)
    }

    fn roles(request: &ChatCompletionRequest) -> Vec<&str> {
        request.messages.iter().map(|message| message.role.as_str()).collect()
    }

    #[test]
    fn an_answer_is_asked_for_or_continued() {
        let settings = Settings::default();
        let question = message(Role::User, "Hi");
        let empty = message(Role::Assistant, "");
        let asked = request(&[&question, &empty], " Be brief. ", Sampling::BALANCED, &settings).request;
        assert_eq!(roles(&asked), ["system", "user"]);
        assert_eq!(asked.continue_final_message, None);
        let begun = message(Role::Assistant, "Hello");
        let asked = request(&[&question, &begun], "", Sampling::BALANCED, &settings).request;
        assert_eq!(roles(&asked), ["user", "assistant"]);
        assert_eq!(asked.continue_final_message, Some(true));
        assert_eq!(asked.truncation, Some(Truncation::Auto));
        let settings = Settings { drops_oldest: false, ..settings };
        assert_eq!(request(&[&question], "", Sampling::BALANCED, &settings).request.truncation, None);
    }

    #[test]
    fn files_and_tools_are_part_of_what_is_asked() {
        let mut question = message(Role::User, "What is it about?");
        question.attachments = vec![Attachment { name: "a.md".to_owned(), text: "Foxes.\n".to_owned() }];
        let mut answer = message(Role::Assistant, "");
        let (name, result) = ("calculator".to_owned(), "4".to_owned());
        answer.tools = vec![ToolUse { name, arguments: "{}".to_owned(), result }];
        answer.id = Id(2);
        let Question { request: asked, origins } =
            request(&[&question, &answer], "Be brief.", Sampling::BALANCED, &Settings::default());
        assert_eq!(roles(&asked), ["system", "user", "assistant", "tool"]);
        assert_eq!(origins, [Id(1), Id(2), Id(2)]);
        assert_eq!(asked.messages[1].content, "File “a.md”:\n\nFoxes.\n\n---\n\nWhat is it about?");
    }
}

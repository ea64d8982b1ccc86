//! Titles that the model makes while it has nothing else to do.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::*;
use parlance_protocol::library::{ConversationSummary, Id};
use parlance_protocol::openai::{ChatCompletionRequest, RequestMessage};

use super::Chats;
use super::request::Question;
use crate::client::AnswerEvent;
use crate::conversation::{ConversationStoreFields as _, MessageId};

/// Models with fewer bytes of weights make titles that are worse than the question's first words.
const MIN_WEIGHT_BYTES: f64 = 4e8;
/// How long nothing has happened before a title is made.
const IDLE: Duration = Duration::from_secs(2);
/// Most tokens of a title.
const MAX_TOKENS: u32 = 24;
/// Most characters of a title that is taken: more is an answer to something else.
const MAX_CHARS: usize = 80;

const INSTRUCTION: &str = "Give our conversation a title of two to six words, in the language of my first message. Answer with the title only.";

impl Chats {
    /// After the first answer of a conversation: asks for a title, unless the user says something first. The request begins like the
    /// conversation, so that the model has read most of it, and the conversation goes on without being read again.
    pub(super) fn make_title_when_idle(self, answer: MessageId) {
        set_timeout(
            move || {
                if self.wants_title(answer) {
                    self.make_title();
                }
            },
            IDLE,
        );
    }

    /// Gives up a title that is being made: the user is waiting for something else.
    pub(super) fn stop_title(self) {
        if let Some(request) = self.title_request.try_update_value(Option::take).flatten() {
            self.client.interrupt(request);
        }
    }

    fn wants_title(self, answer: MessageId) -> bool {
        let is_first = self.branch.with_untracked(|branch| branch.len() == 2 && branch.last() == Some(&answer));
        let is_able = self.client.ready_model().is_some_and(|model| model.weight_bytes >= MIN_WEIGHT_BYTES);
        let is_idle = self.answering.with_value(std::collections::HashMap::is_empty);
        is_first && is_able && is_idle && !self.current.summary().read_untracked().is_title_given
    }

    fn make_title(self) {
        let Some(Question { request, .. }) = self.request_for(None) else { return };
        let mut messages = request.messages;
        messages.push(RequestMessage::new("user", INSTRUCTION));
        let request = ChatCompletionRequest {
            messages,
            max_tokens: Some(MAX_TOKENS),
            temperature: Some(0.2),
            enable_thinking: Some(false),
            continue_final_message: None,
            tools: None,
            ..request
        };
        let id = self.shown_id();
        let text = Rc::new(RefCell::new(String::new()));
        let request = self.client.ask(request, move |event| match event {
            AnswerEvent::Piece { content, .. } => text.borrow_mut().push_str(&content),
            AnswerEvent::Finished { .. } => {
                let is_wanted = self.title_request.try_update_value(Option::take).flatten().is_some();
                if let Some(title) = cleaned(&text.borrow()).filter(|_| is_wanted) {
                    self.take_title(id, title);
                }
            }
            AnswerEvent::Failed(_) | AnswerEvent::Lost => self.title_request.set_value(None),
            AnswerEvent::Reading(_) | AnswerEvent::Begun { .. } => {}
        });
        self.title_request.set_value(Some(request));
    }

    fn take_title(self, id: Id, title: String) {
        let list = self.list.get_untracked().unwrap_or_default();
        if let Some(summary) = list.iter().find(|summary| summary.id == id) {
            self.change(summary, |summary: &mut ConversationSummary| {
                summary.title = title;
                summary.is_title_given = true;
            });
        }
    }
}

/// The title without quotes, marks and what follows its line; `None` if it is none.
fn cleaned(text: &str) -> Option<String> {
    let line = text.trim().lines().next()?;
    let line = line.trim_matches(|c: char| c.is_whitespace() || "\"'“”„«»*#.`".contains(c));
    let line = line.strip_prefix("Title:").unwrap_or(line).trim();
    (!line.is_empty() && line.chars().count() <= MAX_CHARS).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::cleaned;

    #[test]
    fn titles_lose_their_quotes() {
        assert_eq!(cleaned("\"The Sky's Colour.\"\n\nMore").as_deref(), Some("The Sky's Colour"));
        assert_eq!(cleaned("**Title: Otters**").as_deref(), Some("Otters"));
        assert_eq!(cleaned(" \n"), None);
        assert_eq!(cleaned(&"long ".repeat(50)), None);
    }
}

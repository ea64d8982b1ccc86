//! A summary of the oldest messages, on request, which is sent in their place.

use std::cell::RefCell;
use std::rc::Rc;

use leptos::prelude::*;
use parlance_protocol::library::{Digest, Role};

use super::Chats;
use super::request::{ChatRequest, about};
use crate::client::AnswerEvent;
use crate::conversation::{ConversationStoreFields as _, MessageId};
use crate::failure::sentence;
use crate::i18n::t;

/// Maximum tokens of a summary.
const MAX_TOKENS: u32 = 500;

const INSTRUCTION: &str = "Summarise our conversation so far in at most 200 words, in the language of my first message. Keep names, numbers, decisions and open questions. Answer with the summary only.";

impl Chats {
    /// Whether a summary is being written.
    pub(crate) fn is_summarising(self) -> Signal<bool> {
        Signal::derive(move || self.digest_request.read().is_some())
    }

    /// The first message on screen that the conversation's summary does not cover, if it has one.
    pub(crate) fn digest_start(self) -> Signal<Option<MessageId>> {
        self.digest_start.into()
    }

    /// The last message that a summary would cover: all but the latest question and answer, which must be at least one more question and
    /// answer than before. Reactive.
    pub(crate) fn digest_end(self) -> Option<MessageId> {
        let branch = self.branch.read();
        let covered = self.digest_start.get().and_then(|start| branch.iter().position(|id| *id == start)).unwrap_or(0);
        let messages = self.current.messages();
        let messages = messages.read_untracked();
        let is_question =
            |id: &MessageId| messages.iter().any(|message| message.id == *id && message.role == Role::User);
        let latest = branch.iter().rposition(is_question)?;
        (latest >= covered + 2).then(|| branch[latest - 1])
    }

    /// Has the model summarise the conversation up to its latest question. The messages stay on screen; the summary is sent in their place.
    pub(crate) fn summarise(self) {
        let Some(last) = untrack(|| self.digest_end()) else { return };
        let Some(ChatRequest { request, .. }) = self.request_for(Some(last)) else { return };
        self.cancel_digest();
        let request = about(request, INSTRUCTION, MAX_TOKENS);
        let id = self.conversation_id();
        let text = Rc::new(RefCell::new(String::new()));
        let request = self.client.ask(request, move |event| match event {
            AnswerEvent::Delta { content, .. } => text.borrow_mut().push_str(&content),
            AnswerEvent::Finished { .. } => {
                let is_wanted = self.end_digest() && self.conversation_id() == id;
                let text = text.borrow().trim().to_owned();
                if is_wanted && text.is_empty() {
                    self.notify(t("summary-failed"));
                } else if is_wanted {
                    self.set_digest(Some(Digest { text, last }));
                }
            }
            AnswerEvent::Failed(failure) => {
                if self.end_digest() {
                    self.notify(sentence(&failure));
                }
            }
            AnswerEvent::Lost => {
                if self.end_digest() {
                    self.notify(t("summary-failed"));
                }
            }
            AnswerEvent::Prefill(_) | AnswerEvent::See(_) | AnswerEvent::Started { .. } => {}
        });
        self.digest_request.set(Some(request));
    }

    /// Sets or removes the summary of the conversation on screen.
    pub(crate) fn set_digest(self, digest: Option<Digest>) {
        self.current.summary().write().digest = digest;
        self.save_summary();
    }

    /// Stops a summary that is being written, because the user is waiting for something else.
    pub(super) fn cancel_digest(self) {
        if let Some(request) = self.digest_request.get_untracked() {
            self.digest_request.set(None);
            self.client.interrupt(request);
        }
    }

    /// Notes that no summary is being written any more, and returns whether one was.
    fn end_digest(self) -> bool {
        let was_written = self.digest_request.get_untracked().is_some();
        if was_written {
            self.digest_request.set(None);
        }
        was_written
    }
}

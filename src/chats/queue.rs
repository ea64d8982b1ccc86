//! Messages that wait until the answer before them is complete.

use leptos::prelude::*;
use parlance_protocol::library::{Attachment, Id, Image, Role};
use parlance_protocol::openai::FinishReason;

use super::Chats;
use crate::conversation::AnswerState;

/// A message that waits.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Queued {
    /// Its conversation.
    conversation: Id,
    /// Its text.
    pub(crate) text: String,
    attachments: Vec<Attachment>,
    images: Vec<Image>,
}

impl Chats {
    /// Has the message in the composer sent once the answer on screen is complete.
    pub(crate) fn enqueue(self, text: String) {
        let (attachments, images) = self.take_attached();
        let message = Queued { conversation: self.conversation_id(), text, attachments, images };
        self.queue.update(|queue| queue.push(message));
    }

    /// The messages of the conversation on screen that wait, in order. Reactive.
    pub(crate) fn queued(self) -> Vec<Queued> {
        self.branch.track();
        let id = self.conversation_id();
        self.queue.read().iter().filter(|message| message.conversation == id).cloned().collect()
    }

    /// Puts the messages of the conversation on screen that wait back into the composer.
    pub(crate) fn take_back(self) {
        let id = self.conversation_id();
        let taken: Option<Vec<Queued>> =
            self.queue.try_update(|queue| queue.extract_if(.., |message| message.conversation == id).collect());
        for message in taken.unwrap_or_default() {
            self.draft.update(|draft| {
                if !draft.is_empty() {
                    draft.push_str("\n\n");
                }
                draft.push_str(&message.text);
            });
            self.attachments.update(|attachments| attachments.extend(message.attachments));
            self.images.update(|images| images.extend(message.images));
        }
    }

    /// Sends what waits as soon as the answer on screen is complete. What waits for an answer that was stopped or has failed goes back into
    /// the composer, for the user to decide about.
    pub(super) fn follow_queue(self) {
        let is_answering = self.is_answering();
        Effect::new(move |_| {
            self.queue.track();
            if !is_answering.get() {
                untrack(|| self.send_next());
            }
        });
    }

    fn send_next(self) {
        let id = self.conversation_id();
        let place = self.queue.with_untracked(|queue| queue.iter().position(|message| message.conversation == id));
        let leaf = self.branch.with_untracked(|branch| branch.last().copied());
        let (Some(place), Some(answer)) = (place, leaf.and_then(|leaf| self.find_message(leaf))) else { return };
        let has_ended = matches!(answer.state, AnswerState::Done(reason, _) if reason != FinishReason::Abort);
        let is_complete = has_ended && answer.role == Role::Assistant;
        if !is_complete {
            return self.take_back();
        }
        if let Some(Queued { text, attachments, images, .. }) = self.queue.try_update(|queue| queue.remove(place)) {
            self.send_with(text, attachments, images);
        }
    }
}

//! Messages that wait until the answer before them is complete.

use leptos::prelude::*;
use parlance_protocol::library::{Id, Role};
use parlance_protocol::openai::FinishReason;

use super::Chats;
use super::queued::Queued;
use crate::conversation::AnswerState;

impl Chats {
    /// Has the message in the composer sent once the answer on screen is complete.
    pub(crate) fn enqueue(self, text: String) {
        let (attachments, images) = self.take_attached();
        let answer = self.branch.with_untracked(|branch| branch.last().copied());
        let message = Queued { conversation: self.conversation_id(), answer, text, attachments, images };
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
            self.draft.update(|draft| append(draft, &message.text));
            self.attachments.update(|attachments| attachments.extend(message.attachments));
            self.images.update(|images| images.extend(message.images));
        }
    }

    /// The text in the composer with what waits, as [`Self::take_back`] would put it there: whoever closes the tab finds both again.
    pub(super) fn unsent_text(self) -> String {
        let id = self.conversation_id();
        let mut text = self.draft.get_untracked();
        self.queue.with_untracked(|queue| {
            for message in queue.iter().filter(|message| message.conversation == id) {
                append(&mut text, &message.text);
            }
        });
        text
    }

    /// Forgets what waits in a conversation that has ended.
    pub(super) fn forget_queued(self, id: Id) {
        self.queue.update(|queue| queue.retain(|message| message.conversation != id));
    }

    /// Sends what waits as soon as the answer on screen is complete. What waits for an answer that was stopped, has failed, was deleted or
    /// is on another branch goes back into the composer, for the user to decide about.
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
        let next = self.queue.with_untracked(|queue| {
            let next = queue.iter().enumerate().find(|(_, message)| message.conversation == id);
            next.map(|(place, message)| (place, message.answer))
        });
        let Some((place, awaited)) = next else { return };
        let branch = self.branch.get_untracked();
        let leaf = branch.last().and_then(|leaf| self.find_message(*leaf));
        let is_complete = leaf.is_some_and(|answer| {
            let has_ended = matches!(answer.state, AnswerState::Done(reason, _) if reason != FinishReason::Abort);
            has_ended && answer.role == Role::Assistant
        });
        let is_on_branch = awaited.is_some_and(|awaited| branch.contains(&awaited));
        if !(is_complete && is_on_branch) {
            return self.take_back();
        }
        if let Some(Queued { text, attachments, images, .. }) = self.queue.try_update(|queue| queue.remove(place)) {
            self.send_with(text, attachments, images);
        }
    }
}

/// Adds a text to another as a paragraph.
fn append(text: &mut String, paragraph: &str) {
    if !text.is_empty() && !paragraph.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(paragraph);
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::append;

    #[wasm_bindgen_test]
    fn texts_become_paragraphs() {
        let mut text = String::new();
        for paragraph in ["One", "", "two"] {
            append(&mut text, paragraph);
        }
        assert_eq!(text, "One\n\ntwo");
    }
}

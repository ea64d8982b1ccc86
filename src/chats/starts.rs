//! Where what the model is sent of a branch begins.

use leptos::prelude::*;
use parlance_protocol::library::Role;
use reactive_stores::Store;

use crate::conversation::{
    AnswerState, ChatMessage, ChatMessageStoreFields as _, Conversation, ConversationStoreFields as _, MessageId,
};

/// The message that follows the last one that the summary covers, in a branch. Reactive.
pub(super) fn digest_start(current: Store<Conversation>, branch: &[MessageId]) -> Option<MessageId> {
    let last = current.summary().read().digest.as_ref()?.last;
    let end = branch.iter().position(|id| *id == last)?;
    branch.get(end + 1).copied()
}

/// The context start of the newest answer in a branch that has started. Reactive.
pub(super) fn context_start(current: Store<Conversation>, branch: &[MessageId]) -> Option<MessageId> {
    let messages = current.messages();
    let is_answer = |message: &ChatMessage| message.role == Role::Assistant;
    for id in branch.iter().rev() {
        // A message that was removed from the store has no fields.
        if messages.read_untracked().iter().any(|message| message.id == *id && is_answer(message)) {
            let message = messages.at_key(*id);
            let start = message.context_start().try_get()?;
            let state = message.state().try_get()?;
            if !state.has_no_text() && !matches!(state, AnswerState::Failed(_)) {
                return start;
            }
        }
    }
    None
}

//! The actions of a message.

use leptos::prelude::*;
use parlance_protocol::Reason;
use parlance_protocol::library::Role;
use parlance_protocol::openai::FinishReason;

use super::files::copy;
use super::icon_button::IconButton;
use super::regenerate_with::RegenerateWith;
use crate::chats::Chats;
use crate::conversation::{AnswerState, MessageId};
use crate::dictation::{be_quiet, read_aloud};
use crate::i18n::{tf, tr};
use crate::settings::SettingsContext;

/// The buttons below a message, including the branch switch.
#[component]
pub(crate) fn MessageActions(
    id: MessageId,
    role: Role,
    state: Signal<AnswerState>,
    content: Signal<String>,
    on_edit: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let settings = expect_context::<SettingsContext>().0;
    let is_answer = role == Role::Assistant;
    let can_continue = move || {
        let is_early = match state.get() {
            AnswerState::Incomplete => true,
            AnswerState::Failed(failure) => match failure.reason {
                // It would not fit again.
                Reason::QuestionTooLong { .. } => false,
                Reason::ContextFull { .. } => settings.read().drops_oldest,
                _ => true,
            },
            AnswerState::Done(reason, _) => matches!(reason, FinishReason::Length | FinishReason::Abort),
            AnswerState::Waiting(_) | AnswerState::Seeing(_) | AnswerState::Streaming | AnswerState::Elsewhere => false,
        };
        let is_last = chats.branch().read().last() == Some(&id);
        is_answer && is_early && is_last
    };
    view! {
        <div class="message-actions">
            <BranchSwitch id />
            <IconButton icon="copy" label="copy" on_press=move || copy(&content.get_untracked()) />
            <Show when=move || !is_answer>
                <IconButton icon="pen" label="edit" on_press=on_edit />
            </Show>
            <Show when=move || is_answer>
                <IconButton icon="retry" label="regenerate" on_press=move || chats.regenerate(id) />
                <RegenerateWith id />
                <IconButton icon="speaker" label="read-aloud" on_press=move || read_or_stop(&content.get_untracked()) />
            </Show>
            <Show when=can_continue>
                <button class="small" on:click=move |_| chats.continue_answer(id)>{tr("continue")}</button>
            </Show>
            <IconButton icon="trash" label="delete" on_press=move || chats.delete_message(id) />
        </div>
    }
}

/// Switches between sibling messages.
#[component]
fn BranchSwitch(id: MessageId) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let position = Memo::new(move |_| chats.branch_position(id));
    let label = move || {
        let (index, count) = position.get();
        tf("branch-position", [("position", (index + 1).into()), ("count", count.into())])
    };
    view! {
        <Show when=move || { position.get().1 > 1 }>
            <span class="branches">
                <IconButton icon="back" label="previous-branch" on_press=move || chats.switch_branch(id, -1) />
                <span class="branch-position">{label}</span>
                <IconButton icon="forward" label="next-branch" on_press=move || chats.switch_branch(id, 1) />
            </span>
        </Show>
    }
}

/// Reads text aloud, or stops reading.
fn read_or_stop(text: &str) {
    if !be_quiet() {
        read_aloud(text);
    }
}

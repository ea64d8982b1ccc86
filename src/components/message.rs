//! One message.

use leptos::prelude::*;
use reactive_stores::Field;

use super::answer_footer::AnswerFooter;
use super::streamed_text::StreamedText;
use crate::conversation::{AnswerState, ChatMessage, ChatMessageStoreFields as _, Role};

/// A question as a bubble, an answer as plain text.
#[component]
pub(crate) fn MessageView(#[prop(into)] message: Field<ChatMessage>) -> impl IntoView {
    let role = message.role().get_untracked();
    let state: Signal<AnswerState> = {
        let state = message.state();
        Signal::derive(move || state.get())
    };
    let content: Signal<String> = {
        let content = message.content();
        Signal::derive(move || content.get())
    };
    let reasoning: Signal<String> = {
        let reasoning = message.reasoning();
        Signal::derive(move || reasoning.get())
    };
    let has_reasoning = Memo::new(move |_| !reasoning.read().is_empty());
    let speaker = if role == Role::User { "You" } else { "Parlance" };
    view! {
        <article class="message" data-role=role.as_str() data-active=move || state.get().is_active().to_string()>
            <span class="visually-hidden">{speaker}</span>
            <Show when=move || matches!(state.get(), AnswerState::Waiting(_))>
                <Waiting state />
            </Show>
            <Show when=move || has_reasoning.get()>
                <details class="reasoning">
                    <summary>"Thoughts"</summary>
                    <StreamedText text=reasoning />
                </details>
            </Show>
            <StreamedText text=content />
            <Show when=move || role == Role::Assistant>
                <AnswerFooter state />
            </Show>
        </article>
    }
}

/// What stands in place of an answer that has no word yet.
#[component]
fn Waiting(state: Signal<AnswerState>) -> impl IntoView {
    let text = move || match state.get() {
        AnswerState::Waiting(Some(share)) => format!("Reading, {:.0} %", share * 100.0),
        _ => "Waiting for the model".to_owned(),
    };
    view! {
        <p class="waiting" role="status">
            <span class="pulse" aria-hidden="true"></span>
            {text}
        </p>
    }
}

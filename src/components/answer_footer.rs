//! What stands below an answer: how it ended and what it took.

use leptos::prelude::*;
use parlance_protocol::{FinishReason, Usage};

use super::failure_notice::FailureNotice;
use super::units;
use crate::conversation::AnswerState;

/// Statistics of a complete answer, or why it failed.
#[component]
pub(crate) fn AnswerFooter(state: Signal<AnswerState>) -> impl IntoView {
    move || match state.get() {
        AnswerState::Done(reason, usage) => view! { <Statistics reason usage /> }.into_any(),
        AnswerState::Failed(failure) => view! { <FailureNotice failure /> }.into_any(),
        AnswerState::Waiting(_) | AnswerState::Streaming => ().into_any(),
    }
}

#[component]
fn Statistics(reason: FinishReason, usage: Usage) -> impl IntoView {
    let ending = match reason {
        FinishReason::Stop => None,
        FinishReason::Length => Some("cut off at the limit"),
        FinishReason::Interrupted => Some("stopped"),
    };
    let speed = usage.decode_tokens_per_second().map(|speed| format!("{} tokens/s", units::rate(speed)));
    let details = format!(
        "{} prompt tokens ({} of them cached), first token after {:.2} s",
        usage.prompt_tokens, usage.cached_tokens, usage.first_token_seconds
    );
    view! {
        <p class="statistics" title=details>
            {speed.map(|speed| view! { <span class="speed">{speed}</span> })}
            <span>{usage.completion_tokens} " tokens"</span>
            {ending.map(|ending| view! { <span>{ending}</span> })}
        </p>
    }
}

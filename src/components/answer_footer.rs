//! What stands below an answer: how it ended and what it took.

use leptos::prelude::*;
use parlance_protocol::openai::{FinishReason, Usage};

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
        FinishReason::Stop | FinishReason::ToolCalls => None,
        FinishReason::Length => Some("cut off at the limit"),
        FinishReason::Abort => Some("stopped"),
    };
    let speed = usage.extra.decode_tokens_per_s;
    let speed = (speed > 0.0).then(|| format!("{} tokens/s", units::rate(speed)));
    let details = format!(
        "{} prompt tokens ({} of them cached), first token after {:.2} s",
        usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens, usage.extra.time_to_first_token_s
    );
    view! {
        <p class="statistics" title=details>
            {speed.map(|speed| view! { <span class="speed">{speed}</span> })}
            <span>{usage.completion_tokens} " tokens"</span>
            {ending.map(|ending| view! { <span>{ending}</span> })}
        </p>
    }
}

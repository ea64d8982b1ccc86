//! The footer of an answer: generation statistics, or why it ended early.

use leptos::prelude::*;
use parlance_protocol::Reason;
use parlance_protocol::openai::{FinishReason, Usage};

use super::failure_notice::FailureNotice;
use super::load_with_context::LoadWithContext;
use super::units;
use crate::chats::Chats;
use crate::conversation::{AnswerState, MessageId};
use crate::i18n::{tf, tr};

/// Statistics of a complete answer, or the failure of an incomplete one.
#[component]
pub(crate) fn AnswerFooter(id: MessageId, state: Signal<AnswerState>) -> impl IntoView {
    move || match state.get() {
        AnswerState::Done(reason, usage) => view! { <Statistics reason usage /> }.into_any(),
        AnswerState::Failed(failure) => {
            let larger_context = match failure.reason {
                Reason::ContextFull { prompt_tokens, .. } | Reason::QuestionTooLong { prompt_tokens, .. } => {
                    Some(view! { <LargerContext id prompt_tokens /> })
                }
                _ => None,
            };
            view! {
                <FailureNotice failure />
                {larger_context}
            }
            .into_any()
        }
        AnswerState::Incomplete => view! { <p class="statistics">{tr("response-incomplete")}</p> }.into_any(),
        AnswerState::Elsewhere => view! { <p class="statistics">{tr("response-elsewhere")}</p> }.into_any(),
        AnswerState::Waiting(_) | AnswerState::Seeing(_) | AnswerState::Streaming => ().into_any(),
    }
}

/// Offers to continue with a larger context, below the last answer of the conversation.
#[component]
fn LargerContext(id: MessageId, prompt_tokens: u32) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let is_last = move || chats.branch().read().last() == Some(&id);
    view! {
        <Show when=is_last>
            <div class="actions">
                <LoadWithContext
                    prompt_tokens
                    on_choose=move |tokens| chats.continue_with_context(id, tokens)
                />
            </div>
        </Show>
    }
}

#[component]
fn Statistics(reason: FinishReason, usage: Usage) -> impl IntoView {
    let ending = match reason {
        FinishReason::Stop | FinishReason::ToolCalls => None,
        FinishReason::Length => Some("token-limit-reached"),
        FinishReason::Abort => Some("stopped-by-user"),
    };
    let rate = usage.extra.decode_tokens_per_s;
    let speed = move || (rate > 0.0).then(|| tf("tokens-per-second", [("rate", units::rate(rate).into())]));
    let details = move || {
        tf(
            "generation-details",
            [
                ("prompt", usage.prompt_tokens.into()),
                ("cached", usage.prompt_tokens_details.cached_tokens.into()),
                ("seconds", units::decimal(usage.extra.time_to_first_token_s, 2).into()),
            ],
        )
    };
    // Imported answers have no statistics.
    let tokens =
        move || (usage.completion_tokens > 0).then(|| tf("token-count", [("count", usage.completion_tokens.into())]));
    view! {
        <p class="statistics" title=details data-cached=usage.prompt_tokens_details.cached_tokens>
            <span class="speed">{speed}</span>
            <span>{tokens}</span>
            {ending.map(|ending| view! { <span data-ending=ending>{tr(ending)}</span> })}
        </p>
    }
}

//! The welcome screen of a new conversation.

use leptos::prelude::*;

use super::proposal::Proposal;
use crate::chats::Chats;
use crate::client::{Client, EngineState};
use crate::i18n::{t, tr};
use crate::storage;

const SUGGESTIONS: [&str; 3] = ["suggestion-fact", "suggestion-explain", "suggestion-write"];

/// A greeting, a few suggestions, and a model for this device.
#[component]
pub(crate) fn Welcome() -> impl IntoView {
    let chats = expect_context::<Chats>();
    let client = expect_context::<Client>();
    let uses_gpu = Memo::new(move |_| match &*client.engine().read() {
        EngineState::Ready(model) => !model.is_cpu && !model.is_software,
        _ => client.may_use_gpu(),
    });
    let suggestion = move |key: &'static str| {
        let ask = move |_| {
            // Sending implies consent to load the model.
            storage::agree_to_load();
            chats.send(t(key));
        };
        view! {
            <button class="suggestion" on:click=ask>
                {tr(key)}
            </button>
        }
    };
    view! {
        <section class="welcome">
            <h2>{tr("welcome-title")}</h2>
            <p>{move || t(if uses_gpu.get() { "welcome-text" } else { "welcome-text-cpu" })}</p>
            <div class="suggestions">{SUGGESTIONS.map(suggestion)}</div>
            // Last, so that nothing moves when the catalogue arrives.
            <Proposal />
        </section>
    }
}

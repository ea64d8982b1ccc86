//! What stands where the conversation will be.

use leptos::prelude::*;

use crate::client::Client;

const SUGGESTIONS: [&str; 3] =
    ["What is the capital of France?", "Explain why the sky is blue, in two sentences", "Write a haiku about the sea"];

/// A greeting and a few questions to begin with.
#[component]
pub(crate) fn Welcome() -> impl IntoView {
    let client = expect_context::<Client>();
    let suggestion = move |text: &'static str| {
        view! {
            <button class="suggestion" on:click=move |_| client.ask(text.to_owned())>
                {text}
            </button>
        }
    };
    view! {
        <section class="welcome">
            <h2>"Ask anything. It stays here."</h2>
            <p>"Parlance runs a language model inside this tab, on your own GPU: no account, no server, no one listening."</p>
            <div class="suggestions">{SUGGESTIONS.map(suggestion)}</div>
        </section>
    }
}

//! A button that reloads the model with a larger context.

use leptos::prelude::*;

use super::units;
use crate::client::Client;
use crate::i18n::tf;

/// Shown if the model can be loaded with a larger context in which a prompt of `prompt_tokens` fits.
#[component]
pub(crate) fn LoadWithContext(
    prompt_tokens: u32,
    on_choose: impl Fn(u32) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let client = expect_context::<Client>();
    // A memo, because the engine's state changes with every progress event.
    let larger = Memo::new(move |_| client.larger_context(prompt_tokens));
    move || {
        larger.get().map(|tokens| {
            view! {
                <button class="small" on:click=move |_| on_choose(tokens)>
                    {move || tf("load-with-context", [("tokens", units::count(tokens.into()).into())])}
                </button>
            }
        })
    }
}

//! The offer to load the model with a larger context.

use leptos::prelude::*;

use super::units;
use crate::client::Client;
use crate::i18n::tf;

/// A button, if a prompt of `prompt_tokens` has room in a context that the model may be loaded with; nothing otherwise.
#[component]
pub(crate) fn LoadWithContext(
    prompt_tokens: u32,
    on_choose: impl Fn(u32) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let client = expect_context::<Client>();
    // The engine changes with each byte that is loaded; the button does not.
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

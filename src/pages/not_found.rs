//! The page for unknown URLs.

use leptos::prelude::*;

use crate::i18n::tr;

/// A message with a link back to the chat.
#[component]
pub(crate) fn NotFoundPage() -> impl IntoView {
    view! {
        <main class="notice">
            <h1>{tr("not-found-title")}</h1>
            <p>{tr("not-found-text")}</p>
            <a href=".">{tr("go-to-chat")}</a>
        </main>
    }
}

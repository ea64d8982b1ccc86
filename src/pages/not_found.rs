//! An address that leads nowhere.

use leptos::prelude::*;

use crate::i18n::tr;

/// Says so and leads back.
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

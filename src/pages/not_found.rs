//! An address that leads nowhere.

use leptos::prelude::*;

/// Says so and leads back.
#[component]
pub(crate) fn NotFoundPage() -> impl IntoView {
    view! {
        <main class="notice">
            <h1>"This page does not exist"</h1>
            <p>"The address may be mistyped."</p>
            <a href=".">"Go to the chat"</a>
        </main>
    }
}

//! An address that leads nowhere.

use leptos::prelude::*;
use leptos_router::components::A;

/// Says so and leads back.
#[component]
pub(crate) fn NotFoundPage() -> impl IntoView {
    view! {
        <main class="notice">
            <h1>"This page does not exist"</h1>
            <p>"The address may be mistyped."</p>
            <A href="/">"Go to the chat"</A>
        </main>
    }
}

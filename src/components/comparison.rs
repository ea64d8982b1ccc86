//! Answers to the same question, side by side.

use leptos::prelude::*;
use parlance_protocol::library::Id;
use wasm_bindgen::JsCast as _;
use web_sys::HtmlDetailsElement;

use super::markdown::Markdown;
use crate::chats::{Alternative, Chats};
use crate::conversation::MessageId;
use crate::i18n::{t, tr};
use crate::names::friendly;

/// A fold that shows an answer beside the others to its question. Nothing if it is the only one.
#[component]
pub(crate) fn Comparison(id: MessageId) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let is_open = RwSignal::new(false);
    let count = Memo::new(move |_| chats.branch_position(id).1);
    let on_toggle = move |event: web_sys::Event| {
        let details = event.target().and_then(|target| target.dyn_into::<HtmlDetailsElement>().ok());
        is_open.set(details.is_some_and(|details| details.open()));
    };
    let columns = move || {
        let one = |alternative: Alternative| view! { <Column shown=id alternative /> };
        chats.alternatives(id).into_iter().map(one).collect_view()
    };
    view! {
        <Show when=move || { count.get() > 1 }>
            <details class="comparison" on:toggle=on_toggle>
                <summary>{tr("compare")}</summary>
                <Show when=move || is_open.get()>
                    <div class="columns">{columns}</div>
                </Show>
            </details>
        </Show>
    }
}

/// One of the answers, with its model's name, and a button that shows it in the conversation.
#[component]
fn Column(shown: MessageId, alternative: Alternative) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let Alternative { id, step, model, content } = alternative;
    let name = move || model.as_deref().map_or_else(|| t("assistant"), friendly);
    // The library knows the answer in the conversation by its own id.
    let key = Id(!id.0);
    view! {
        <section class="comparison-column">
            <h2>{name}</h2>
            <Markdown key text=Signal::stored(content) is_active=Signal::stored(false) />
            {(step != 0)
                .then(|| {
                    view! {
                        <button class="small" on:click=move |_| chats.switch_branch(shown, step)>
                            {tr("show-version")}
                        </button>
                    }
                })}
        </section>
    }
}

//! A button that deletes for good, once the user has confirmed it.

use leptos::prelude::*;

use crate::i18n::tr;

/// `label` is the message id of the button that asks, `class` its class, and `test_id` names the one that deletes.
#[component]
pub(crate) fn DeleteButton(
    label: &'static str,
    #[prop(optional)] class: &'static str,
    #[prop(optional)] test_id: Option<&'static str>,
    is_confirming: RwSignal<bool>,
    on_confirm: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    view! {
        <Show
            when=move || is_confirming.get()
            fallback=move || {
                view! {
                    <button class=class on:click=move |_| is_confirming.set(true)>
                        {tr(label)}
                    </button>
                }
            }
        >
            <button class="danger" data-testid=test_id on:click=move |_| on_confirm()>
                {tr("delete-permanently")}
            </button>
            <button on:click=move |_| is_confirming.set(false)>{tr("cancel")}</button>
        </Show>
    }
}

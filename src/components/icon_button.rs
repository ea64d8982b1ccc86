//! A button with an icon and an accessible name, which is also its tooltip.

use leptos::prelude::*;

use super::icons::Icon;
use crate::i18n::tr;

/// `label` is the message id of its name.
#[component]
pub(crate) fn IconButton(icon: &'static str, label: &'static str, on_press: impl Fn() + 'static) -> impl IntoView {
    view! {
        <button class="icon-button" type="button" title=tr(label) aria-label=tr(label) on:click=move |_| on_press()>
            <Icon name=icon />
        </button>
    }
}

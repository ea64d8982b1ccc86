//! Icons, drawn on a 24 by 24 grid with the text's colour.

use leptos::prelude::*;

/// A stroked icon from the data of one path. Decorative: its button carries the name.
#[component]
fn Icon(path: &'static str, #[prop(optional)] filled: bool) -> impl IntoView {
    view! {
        <svg class="icon" class:filled=filled viewBox="0 0 24 24" aria-hidden="true">
            <path d=path />
        </svg>
    }
}

/// Arrow up.
#[component]
pub(crate) fn SendIcon() -> impl IntoView {
    view! { <Icon path="M12 19V5M5 12l7-7 7 7" /> }
}

/// Square.
#[component]
pub(crate) fn StopIcon() -> impl IntoView {
    view! { <Icon path="M8 8h8v8H8z" filled=true /> }
}

/// Sheet with a pen.
#[component]
pub(crate) fn NewChatIcon() -> impl IntoView {
    view! { <Icon path="M12 4H6a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h12a2 2 0 0 0 2-2v-6M18.4 3.6a2 2 0 0 1 2.9 2.8L13 14.7 9 16l1.3-4z" /> }
}

/// Sun.
#[component]
pub(crate) fn SunIcon() -> impl IntoView {
    view! { <Icon path="M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4" /> }
}

/// Moon.
#[component]
pub(crate) fn MoonIcon() -> impl IntoView {
    view! { <Icon path="M20 14.5A8.5 8.5 0 1 1 9.5 4a7 7 0 0 0 10.5 10.5z" /> }
}

/// Chevron down.
#[component]
pub(crate) fn ChevronIcon() -> impl IntoView {
    view! { <Icon path="M6 9l6 6 6-6" /> }
}

/// Cross.
#[component]
pub(crate) fn CloseIcon() -> impl IntoView {
    view! { <Icon path="M6 6l12 12M18 6L6 18" /> }
}

//! The layout of all pages except the chat: the sidebar, where there is room for it, and the page.

use leptos::prelude::*;

use super::sidebar::Sidebar;
use super::toast::Toasts;

/// The page beside the sidebar, with notifications below it.
#[component]
pub(crate) fn BesideSidebar(children: Children) -> impl IntoView {
    view! {
        <div class="paged">
            <Sidebar on_leave=move || {} />
            <div>
                {children()}
                <Toasts />
            </div>
        </div>
    }
}

//! Something that happened and is over: told once, until the user has seen it.

use leptos::prelude::*;

use super::icon_button::IconButton;
use crate::client::Client;

/// A line with a button that takes it away; nothing most of the time.
#[component]
pub(crate) fn Notice() -> impl IntoView {
    let notice = expect_context::<Client>().notice();
    move || {
        notice.get().map(|text| {
            view! {
                <div class="notice-bar" role="status" data-testid="notice">
                    <p>{text}</p>
                    <IconButton icon="close" label="close" on_press=move || notice.set(None) />
                </div>
            }
        })
    }
}

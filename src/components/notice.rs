//! A dismissible notice about a past event, such as a recovered crash.

use leptos::prelude::*;

use super::icon_button::IconButton;
use crate::client::Client;

/// The notice, if there is one.
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

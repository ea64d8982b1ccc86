//! Why Hugging Face did not answer.

use leptos::prelude::*;

use crate::hub::HubError;
use crate::i18n::{t, tf};

/// A sentence that says why the server did not answer.
#[component]
pub(crate) fn HubFailure(error: HubError) -> impl IntoView {
    let text = move || {
        if error.is_refusal() {
            return t("hub-refused");
        }
        tf("hub-failed", [("detail", error.detail().into())])
    };
    view! {
        <p class="failure-message" role="alert">
            {text}
        </p>
    }
}

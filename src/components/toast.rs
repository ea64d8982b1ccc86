//! Brief notifications with an optional undo button.

use std::time::Duration;

use leptos::prelude::*;

use super::icon_button::IconButton;
use crate::chats::{Chats, Toast};
use crate::i18n::tr;

/// How long a toast is shown.
const DURATION: Duration = Duration::from_secs(10);

/// The current toast, if there is one.
#[component]
pub(crate) fn Toasts() -> impl IntoView {
    let toast = expect_context::<Chats>().toast();
    Effect::new(move |old: Option<Option<TimeoutHandle>>| {
        if let Some(timeout) = old.flatten() {
            timeout.clear();
        }
        toast.read().is_some().then(|| set_timeout_with_handle(move || toast.set(None), DURATION).ok()).flatten()
    });
    let view = move |Toast { text, undo }: Toast| {
        let undo = undo.map(|undo| {
            let undo_and_close = move |_| {
                undo();
                toast.set(None);
            };
            view! { <button on:click=undo_and_close>{tr("undo")}</button> }
        });
        view! {
            <div class="toast" data-testid="toast">
                <p>{text}</p>
                {undo}
                <IconButton icon="close" label="close" on_press=move || toast.set(None) />
            </div>
        }
    };
    view! {
        <div class="toasts" role="status">
            {move || toast.get().map(view)}
        </div>
    }
}

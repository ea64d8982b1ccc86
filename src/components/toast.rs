//! What was just done, with a way back for a while.

use std::time::Duration;

use leptos::prelude::*;

use super::icon_button::IconButton;
use crate::chats::{Chats, Toast};
use crate::i18n::tr;

/// For how long it stands.
const SHOWN: Duration = Duration::from_secs(10);

/// A line at the bottom; nothing most of the time.
#[component]
pub(crate) fn Toasts() -> impl IntoView {
    let toast = expect_context::<Chats>().toast();
    Effect::new(move |old: Option<Option<TimeoutHandle>>| {
        if let Some(timeout) = old.flatten() {
            timeout.clear();
        }
        toast.read().is_some().then(|| set_timeout_with_handle(move || toast.set(None), SHOWN).ok()).flatten()
    });
    let view = move |Toast { text, undo }: Toast| {
        let undo = undo.map(|undo| {
            let take_back = move |_| {
                undo();
                toast.set(None);
            };
            view! { <button on:click=take_back>{tr("undo")}</button> }
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

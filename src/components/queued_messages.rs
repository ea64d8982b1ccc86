//! Above the composer: messages that wait for the answer before them.

use leptos::prelude::*;

use super::focus::focus_composer;
use super::icon_button::IconButton;
use crate::chats::{Chats, Queued};
use crate::i18n::tr;

/// The messages, with a button that puts them back into the composer. Nothing if none waits.
#[component]
pub(crate) fn QueuedMessages() -> impl IntoView {
    let chats = expect_context::<Chats>();
    let queued = Memo::new(move |_| chats.queued());
    let one = |message: Queued| view! { <li dir="auto">{message.text}</li> };
    let take_back = move || {
        chats.take_back();
        focus_composer();
    };
    view! {
        <Show when=move || !queued.read().is_empty()>
            <div class="queue" data-testid="queued">
                <p class="muted">{tr("queued")}</p>
                <ul>{move || queued.get().into_iter().map(one).collect_view()}</ul>
                <IconButton icon="pen" label="take-back" on_press=take_back />
            </div>
        </Show>
    }
}

//! The conversation. It follows the stream unless the user scrolls up.

use leptos::html::Div;
use leptos::prelude::*;
use leptos_use::use_resize_observer;

use super::code_toolbar;
use super::message::MessageView;
use crate::chats::Chats;
use crate::i18n::{t, tr};

/// Pixels from the end within which the view counts as being there.
const NEAR_END_PX: i32 = 48;

/// All messages of the branch on screen, oldest first.
#[component]
pub(crate) fn MessageList() -> impl IntoView {
    let chats = expect_context::<Chats>();
    let list = NodeRef::<Div>::new();
    let column = NodeRef::<Div>::new();
    let follows = StoredValue::new(true);
    let note_place = move |_| {
        if let Some(view) = list.get_untracked() {
            let distance = view.scroll_height() - view.client_height() - view.scroll_top();
            follows.set_value(distance < NEAR_END_PX);
        }
    };
    let follow = move || {
        if let Some(view) = list.try_get_untracked().flatten()
            && follows.try_get_value() == Some(true)
        {
            view.set_scroll_top(view.scroll_height());
        }
    };
    let branch = chats.branch();
    Effect::new(move |previous: Option<usize>| {
        let count = branch.read().len();
        if previous.is_some_and(|previous| previous != count) {
            // Whoever sends wants to see the answer.
            follows.set_value(true);
            follow();
        }
        count
    });
    use_resize_observer(column, move |_, _| follow());
    // Not each token: that an answer begins, and that it is there.
    let announcement = Memo::new(move |before: Option<&String>| {
        let is_answering = chats.is_answering().get();
        match (is_answering, before) {
            (true, _) => t("answer-begins"),
            (false, Some(before)) if !before.is_empty() => t("answer-is-there"),
            (false, _) => String::new(),
        }
    });
    view! {
        <div
            class="messages"
            node_ref=list
            on:scroll=note_place
            on:click=move |event| code_toolbar::on_click(&event)
            role="region"
            aria-label=tr("conversation")
            tabindex="0"
        >
            <div class="column" node_ref=column>
                <For each=move || branch.get() key=|id| *id let:id>
                    <MessageView id />
                </For>
            </div>
        </div>
        <p class="visually-hidden" role="status">{announcement}</p>
    }
}

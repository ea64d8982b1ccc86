//! The conversation. It follows the stream unless the user scrolls up.

use leptos::html::Div;
use leptos::prelude::*;

use super::message::MessageView;
use crate::client::Client;
use crate::conversation::{ChatMessageStoreFields as _, ConversationStoreFields as _};

/// Pixels from the end within which the view counts as being there.
const NEAR_END_PX: i32 = 48;

/// All messages, oldest first.
#[component]
pub(crate) fn MessageList() -> impl IntoView {
    let conversation = expect_context::<Client>().conversation();
    let list = NodeRef::<Div>::new();
    let follows = StoredValue::new(true);
    let note_place = move |_| {
        if let Some(view) = list.get_untracked() {
            let distance = view.scroll_height() - view.client_height() - view.scroll_top();
            follows.set_value(distance < NEAR_END_PX);
        }
    };
    let message_count = Memo::new(move |_| conversation.messages().read().len());
    Effect::new(move |previous: Option<usize>| {
        let count = message_count.get();
        if previous.is_some_and(|previous| previous != count) {
            // Whoever sends wants to see the answer.
            follows.set_value(true);
        }
        count
    });
    Effect::new(move |_| {
        message_count.get();
        if let Some(id) = conversation.messages().read_untracked().last().map(|message| message.id) {
            conversation.messages().at_key(id).content().track();
            conversation.messages().at_key(id).state().track();
        }
        request_animation_frame(move || {
            if let Some(view) = list.get_untracked()
                && follows.get_value()
            {
                view.set_scroll_top(view.scroll_height());
            }
        });
    });
    view! {
        <div class="messages" node_ref=list on:scroll=note_place role="log" aria-label="Conversation" tabindex="0">
            <For each=move || conversation.messages() key=|message| message.id().get() let:message>
                <MessageView message />
            </For>
        </div>
    }
}

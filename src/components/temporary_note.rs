//! Above the composer: that nothing of the chat is saved.

use leptos::prelude::*;

use super::icons::Icon;
use crate::chats::Chats;
use crate::i18n::tr;

/// A sentence. Nothing if the chat is saved.
#[component]
pub(crate) fn TemporaryNote() -> impl IntoView {
    let chats = expect_context::<Chats>();
    view! {
        <Show when=move || chats.is_temporary()>
            <p class="project-note" data-testid="temporary-note">
                <Icon name="temporary" />
                {tr("temporary-chat-text")}
            </p>
        </Show>
    }
}

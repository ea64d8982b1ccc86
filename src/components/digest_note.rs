//! The summary that is sent in place of the messages above it.

use leptos::prelude::*;

use crate::chats::Chats;
use crate::conversation::{ConversationStoreFields as _, MessageId};
use crate::i18n::tr;

/// Shown above the first message that the summary does not cover.
#[component]
pub(crate) fn DigestNote(id: MessageId) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let start = chats.digest_start();
    let text = move || {
        let summary = chats.current().summary();
        summary.read().digest.as_ref().map(|digest| digest.text.clone()).unwrap_or_default()
    };
    view! {
        <Show when=move || start.get() == Some(id)>
            <div class="context-cutoff" role="note" data-testid="digest">
                <details>
                    <summary>{tr("summary-instead")}</summary>
                    <p class="text" dir="auto">{text}</p>
                </details>
                <button class="small" on:click=move |_| chats.set_digest(None)>{tr("remove")}</button>
            </div>
        </Show>
    }
}

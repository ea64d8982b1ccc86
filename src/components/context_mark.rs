//! The line above which the model is not given anything any more.

use leptos::prelude::*;

use super::load_with_context::LoadWithContext;
use crate::chats::Chats;
use crate::client::Client;
use crate::conversation::MessageId;
use crate::i18n::tr;

/// Stands above the first message that the model is still given, if older ones did not fit the context; nothing elsewhere.
#[component]
pub(crate) fn ContextMark(id: MessageId) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let client = expect_context::<Client>();
    let start = chats.context_start();
    let is_answering = chats.is_answering();
    view! {
        <Show when=move || start.get() == Some(id)>
            <div class="context-mark" role="note" data-testid="context-mark">
                <p>{tr("context-mark")}</p>
                <Show when=move || !is_answering.get()>
                    <LoadWithContext prompt_tokens=0 on_choose=move |tokens| client.retry_with_context(tokens) />
                </Show>
            </div>
        </Show>
    }
}

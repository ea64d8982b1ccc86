//! The line above which messages are no longer sent to the model.

use leptos::prelude::*;

use super::load_with_context::LoadWithContext;
use crate::chats::Chats;
use crate::client::Client;
use crate::conversation::MessageId;
use crate::i18n::tr;

/// Shown above the first message that is still sent to the model, if older ones do not fit the context.
#[component]
pub(crate) fn ContextCutoff(id: MessageId) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let client = expect_context::<Client>();
    let start = chats.context_start();
    let is_answering = chats.is_answering();
    view! {
        <Show when=move || start.get() == Some(id)>
            <div class="context-cutoff" role="note" data-testid="context-cutoff">
                <p>{tr("context-cutoff")}</p>
                <Show when=move || !is_answering.get()>
                    <LoadWithContext prompt_tokens=0 on_choose=move |tokens| client.retry_with_context(tokens) />
                </Show>
            </div>
        </Show>
    }
}

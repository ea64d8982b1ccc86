//! Asks another model on this device for an answer.

use leptos::prelude::*;
use parlance_protocol::library::ChatModel;

use crate::chats::Chats;
use crate::client::Client;
use crate::conversation::MessageId;
use crate::i18n::tr;
use crate::names::chosen;

/// A list of the models. Nothing if there is no choice.
#[component]
pub(crate) fn RegenerateWith(id: MessageId) -> impl IntoView {
    let client = expect_context::<Client>();
    let chats = expect_context::<Chats>();
    let models = Memo::new(move |_| client.chat_models().iter().map(chosen).collect::<Vec<_>>());
    let change = move |event| {
        let url = event_target_value(&event);
        if let Some(model) = models.get_untracked().into_iter().find(|model| model.url == url) {
            chats.regenerate_with(id, &model);
        }
    };
    let option = |ChatModel { name, url, .. }: ChatModel| view! { <option value=url>{name}</option> };
    view! {
        <Show when=move || { models.read().len() > 1 }>
            <select
                class="regenerate-with"
                aria-label=tr("regenerate-with")
                title=tr("regenerate-with")
                on:change=change
            >
                // So that any choice is a change.
                <option value="" selected>
                    {tr("regenerate-with")}
                </option>
                {move || models.get().into_iter().map(option).collect_view()}
            </select>
        </Show>
    }
}

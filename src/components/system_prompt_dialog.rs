//! The dialog for a conversation's own system prompt.

use leptos::prelude::*;

use super::dialog::Dialog;
use crate::chats::Chats;
use crate::conversation::ConversationStoreFields as _;
use crate::i18n::tr;
use crate::settings::SettingsContext;

/// A field for the system prompt, with personas to choose from. If it is empty, the one from the settings applies.
#[component]
pub(crate) fn SystemPromptDialog(on_close: impl Fn() + Copy + Send + Sync + 'static) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let settings = expect_context::<SettingsContext>().0;
    let own = chats.current().summary().read_untracked().system_prompt.clone();
    let draft = RwSignal::new(own.unwrap_or_default());
    let personas = move || {
        let one = |(name, text): (String, String)| {
            view! { <button type="button" on:click=move |_| draft.set(text.clone())>{name}</button> }
        };
        let personas = settings.get().personas.into_iter().map(|persona| (persona.name, persona.text));
        personas.map(one).collect_view()
    };
    let save = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let text = draft.get_untracked().trim().to_owned();
        chats.set_system_prompt(Some(text).filter(|text| !text.is_empty()));
        on_close();
    };
    view! {
        <Dialog title="chat-system-prompt" on_close=on_close>
            <form on:submit=save>
                <p id="chat-system-prompt-text">{tr("chat-system-prompt-text")}</p>
                <div class="actions">{personas}</div>
                <textarea
                    id="chat-system-prompt"
                    class="field"
                    rows="6"
                    dir="auto"
                    aria-labelledby="dialog-chat-system-prompt"
                    aria-describedby="chat-system-prompt-text"
                    placeholder=move || settings.read().system_prompt.clone()
                    prop:value=draft
                    on:input:target=move |event| draft.set(event.target().value())
                ></textarea>
                <button type="submit" class="primary">
                    {tr("save")}
                </button>
            </form>
        </Dialog>
    }
}

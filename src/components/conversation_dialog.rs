//! What the model is told first in this conversation: its own instructions, or a persona's.

use leptos::prelude::*;

use super::dialog::Dialog;
use crate::chats::Chats;
use crate::conversation::ConversationStoreFields as _;
use crate::i18n::tr;
use crate::settings::SettingsContext;

/// A field for the instructions, with the personas to choose from. Empty instructions leave those of the settings.
#[component]
pub(crate) fn ConversationDialog(on_close: impl Fn() + Copy + Send + Sync + 'static) -> impl IntoView {
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
        <Dialog title="instructions" on_close=on_close>
            <form on:submit=save>
                <p id="instructions-text">{tr("instructions-text")}</p>
                <div class="actions">{personas}</div>
                <textarea
                    id="instructions"
                    class="field"
                    rows="6"
                    dir="auto"
                    aria-labelledby="dialog-instructions"
                    aria-describedby="instructions-text"
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

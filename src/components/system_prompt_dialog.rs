//! The dialog for a conversation's own system prompt and sampling parameters.

use leptos::prelude::*;

use super::dialog::Dialog;
use super::sampling_settings::SamplingFields;
use crate::chats::Chats;
use crate::conversation::ConversationStoreFields as _;
use crate::i18n::tr;
use crate::settings::{Sampling, SettingsContext};

/// A field for the system prompt, with personas to choose from. If it is empty, the one from the settings applies.
#[component]
pub(crate) fn SystemPromptDialog(on_close: impl Fn() + Copy + Send + Sync + 'static) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let settings = expect_context::<SettingsContext>().0;
    let own = chats.current().summary().read_untracked().system_prompt.clone();
    let draft = RwSignal::new(own.unwrap_or_default());
    let sampling = RwSignal::new(chats.current().summary().read_untracked().sampling);
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
        chats.set_sampling(sampling.get_untracked());
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
                <OwnSampling sampling />
                <button type="submit" class="primary">
                    {tr("save")}
                </button>
            </form>
        </Dialog>
    }
}

/// Lets the conversation have sampling parameters of its own, which begin as those of the settings.
#[component]
fn OwnSampling(sampling: RwSignal<Option<Sampling>>) -> impl IntoView {
    let settings = expect_context::<SettingsContext>().0;
    let shown = Signal::derive(move || sampling.get().unwrap_or_else(|| settings.read().sampling));
    let toggle = move |event| {
        let has_own = event_target_checked(&event);
        sampling.set(has_own.then(|| settings.read_untracked().sampling));
    };
    view! {
        <label class="choice-label">
            <input id="own-sampling" type="checkbox" checked=sampling.get_untracked().is_some() on:change=toggle />
            {tr("own-sampling")}
        </label>
        <Show when=move || sampling.read().is_some()>
            <SamplingFields sampling=shown on_change=move |changed| sampling.set(Some(changed)) />
        </Show>
    }
}

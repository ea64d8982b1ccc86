//! The settings page: interface, sampling, system prompt, prompts, allowed hosts and data.

use leptos::prelude::*;

use crate::components::allow_host::{AllowHost, AllowedHosts};
use crate::components::data_controls::DataControls;
use crate::components::page_header::PageHeader;
use crate::components::sampling_settings::SamplingSettings;
use crate::components::settings_search::SettingsSearch;
use crate::components::snippets::Snippets;
use crate::i18n::{LOCALES, t, tr};
use crate::options::model_url;
use crate::settings::{Settings, SettingsContext, Theme};

/// The settings page.
#[component]
pub(crate) fn SettingsPage() -> impl IntoView {
    view! {
        <main class="page">
            <PageHeader title="settings" />
            <SettingsSearch />
            <InterfaceSettings />
            <SamplingSettings />
            <PromptSettings />
            <Snippets
                title="prompts"
                text="prompts-text"
                of=|settings| &settings.prompts
                of_mut=|settings| &mut settings.prompts
            />
            <AllowedHosts />
            <DataControls />
        </main>
    }
}

/// Language, theme, layout and the Enter key.
#[component]
fn InterfaceSettings() -> impl IntoView {
    let settings = expect_context::<SettingsContext>().0;
    let languages = LOCALES.map(|(tag, name, _)| {
        view! {
            <option value=tag lang=tag selected=move || settings.read().language.as_deref() == Some(tag)>
                {name}
            </option>
        }
    });
    let set_language = move |event| {
        let tag = event_target_value(&event);
        settings.write().language = Some(tag).filter(|tag| !tag.is_empty());
    };
    let themes = [(Theme::System, "theme-system"), (Theme::Light, "theme-light"), (Theme::Dark, "theme-dark")];
    let themes = themes.map(|(theme, label)| {
        view! {
            <label class="choice-label">
                <input
                    type="radio"
                    name="theme"
                    checked=move || settings.read().theme == theme
                    on:change=move |_| settings.write().theme = theme
                />
                {tr(label)}
            </label>
        }
    });
    view! {
        <section>
            <h2>{tr("interface")}</h2>
            <div class="row">
                <label for="language">{tr("language")}</label>
                <select id="language" on:change=set_language>
                    <option value="" selected=move || settings.read().language.is_none()>
                        {tr("language-default")}
                    </option>
                    {languages}
                </select>
            </div>
            <fieldset class="choices">
                <legend>{tr("theme")}</legend>
                {themes}
            </fieldset>
            <Toggle label="compact" of=|settings| settings.is_compact set=|settings, is_on| settings.is_compact = is_on />
            <Toggle label="enter-sends" of=|settings| settings.enter_sends set=|settings, is_on| settings.enter_sends = is_on />
        </section>
    }
}

/// System prompt, generation options, embedding model and personas.
#[component]
fn PromptSettings() -> impl IntoView {
    let settings = expect_context::<SettingsContext>().0;
    let personas = move || {
        settings
            .read()
            .personas
            .iter()
            .map(|persona| {
                let text = persona.text.clone();
                view! {
                    <button on:click=move |_| settings.write().system_prompt.clone_from(&text)>
                        {persona.name.clone()}
                    </button>
                }
            })
            .collect_view()
    };
    view! {
        <section>
            <h2>
                <label for="system-prompt">{tr("system-prompt")}</label>
            </h2>
            <p>{tr("system-prompt-text")}</p>
            <textarea
                id="system-prompt"
                class="field"
                rows="4"
                dir="auto"
                placeholder=move || t("system-prompt-example")
                prop:value=move || settings.read().system_prompt.clone()
                on:change:target=move |event| settings.write().system_prompt = event.target().value()
            ></textarea>
            <div class="actions">{personas}</div>
            <Toggle label="reasoning" of=|settings| settings.reasoning set=|settings, is_on| settings.reasoning = is_on />
            <Toggle label="tool-use" of=|settings| settings.uses_tools set=|settings, is_on| settings.uses_tools = is_on />
            <Toggle
                label="speculative-decoding"
                of=|settings| settings.prompt_lookup
                set=|settings, is_on| settings.prompt_lookup = is_on
            />
            <Toggle
                label="context-overflow"
                of=|settings| settings.drops_oldest
                set=|settings, is_on| settings.drops_oldest = is_on
            />
        </section>
        <ModelField
            id="embedding-model"
            text="embedding-model-text"
            of=|settings| &settings.embedding_model
            of_mut=|settings| &mut settings.embedding_model
        />
        <ModelField id="ranker" text="ranker-text" of=|settings| &settings.ranker of_mut=|settings| &mut settings.ranker />
        <Snippets
            title="personas"
            text="personas-text"
            of=|settings| &settings.personas
            of_mut=|settings| &mut settings.personas
        />
    }
}

/// The URL of a model that helps the one that answers. `id` is also the message id of its label, and `text` that of what it is for.
#[component]
fn ModelField(
    id: &'static str,
    text: &'static str,
    of: fn(&Settings) -> &str,
    of_mut: fn(&mut Settings) -> &mut String,
) -> impl IntoView {
    let settings = expect_context::<SettingsContext>().0;
    view! {
        <section>
            <h2>
                <label for=id>{tr(id)}</label>
            </h2>
            <p>{tr(text)}</p>
            <input
                id=id
                dir="ltr"
                placeholder="https://…/model.gguf · owner/repository/file.gguf"
                prop:value=move || of(&settings.read()).to_owned()
                on:change:target=move |event| *of_mut(&mut settings.write()) = event.target().value()
            />
            <AllowHost url=Signal::derive(move || model_url(of(&settings.read()))) />
        </section>
    }
}

/// A checkbox for the setting that `of` reads and `set` writes. `label` is a message id.
#[component]
fn Toggle(label: &'static str, of: fn(&Settings) -> bool, set: fn(&mut Settings, bool)) -> impl IntoView {
    let settings = expect_context::<SettingsContext>().0;
    view! {
        <label class="choice-label">
            <input
                type="checkbox"
                checked=move || of(&settings.read())
                on:change=move |event| set(&mut settings.write(), event_target_checked(&event))
            />
            {tr(label)}
        </label>
    }
}

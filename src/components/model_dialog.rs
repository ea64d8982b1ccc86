//! Chooses the model: the demo model, a URL, or a file.

use leptos::html::{Dialog, Input};
use leptos::prelude::*;
use parlance_protocol::ModelSource;

use super::icons::CloseIcon;
use super::idle_choice::IdleChoice;
use super::model_choice::{Choice, ModelChoice};
use super::units;
use crate::client::{Client, EngineState};
use crate::options::model_url;
use crate::storage;

/// A modal dialog, with files that were dropped on the page, if there are any. `on_close` removes it.
#[component]
pub(crate) fn ModelDialog(dropped: Vec<web_sys::File>, on_close: impl Fn() + Copy + Send + 'static) -> impl IntoView {
    let client = expect_context::<Client>();
    let dialog = NodeRef::<Dialog>::new();
    Effect::new(move |_| {
        if let Some(dialog) = dialog.get() {
            // Fails only if it is open already.
            let _ = dialog.show_modal();
        }
    });
    let choice = RwSignal::new_local(Choice::of_files(dropped));
    let load = move |choice: Choice, context_tokens| {
        storage::agree_to_load();
        client.load(choice.source, choice.files, context_tokens);
        on_close();
    };
    view! {
        <dialog class="dialog" node_ref=dialog aria-labelledby="model-dialog-title" on:close=move |_| on_close()>
            <header class="dialog-header">
                <h2 id="model-dialog-title">"Model"</h2>
                <button class="icon-button" title="Close" aria-label="Close" on:click=move |_| on_close()>
                    <CloseIcon />
                </button>
            </header>
            {move || choice.get().map(|choice| view! { <ModelChoice choice on_load=load /> })}
            <CurrentModel />
            <section>
                <h3>"Demo model"</h3>
                <p>"SmolLM2 135M Instruct, 98 MB: small and quick, good for a first look."</p>
                <button on:click=move |_| { storage::agree_to_load(); client.load_default(); on_close(); }>"Load"</button>
            </section>
            <UrlForm on_choose=move |url| {
                choice.set(Some(Choice { source: ModelSource::Url { url }, files: Vec::new() }));
            } />
            <FileForm on_choose=move |files| choice.set(Choice::of_files(files)) />
            <p>
                <a href="storage">"What is kept on this device"</a>
            </p>
        </dialog>
    }
}

/// What is loaded, and a button to free its memory.
#[component]
fn CurrentModel() -> impl IntoView {
    let client = expect_context::<Client>();
    move || {
        let EngineState::Ready(model) = client.engine().get() else { return ().into_any() };
        let details = format!(
            "{} on the GPU, at most {} beside it · context of {} tokens · loaded in {:.1} s · {}",
            units::bytes(model.len_bytes),
            units::bytes(model.peak_memory_bytes),
            model.context_tokens,
            model.load_seconds,
            if model.adapter.is_empty() { "WebGPU" } else { &model.adapter }
        );
        view! {
            <section data-testid="current-model">
                <h3>{model.name}</h3>
                <p>{details}</p>
                <button on:click=move |_| client.unload()>"Unload"</button>
                <IdleChoice />
            </section>
        }
        .into_any()
    }
}

/// Takes the address of a GGUF file.
#[component]
fn UrlForm(on_choose: impl Fn(String) + 'static) -> impl IntoView {
    let field = NodeRef::<Input>::new();
    let is_invalid = RwSignal::new(false);
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let text = field.get_untracked().map(|field| field.value()).unwrap_or_default();
        let url = model_url(&text);
        is_invalid.set(url.is_none());
        if let Some(url) = url {
            on_choose(url);
        }
    };
    view! {
        <form on:submit=submit>
            <h3>
                <label for="model-url">"From an address"</label>
            </h3>
            <p>"A GGUF file, or one on Hugging Face as owner/repository/file.gguf. You see what it is before it loads."</p>
            <div class="row">
                <input
                    id="model-url"
                    node_ref=field
                    inputmode="url"
                    placeholder="https://…/model.gguf or owner/repository/file.gguf"
                    aria-invalid=move || is_invalid.get().to_string()
                />
                <button type="submit">"Look"</button>
            </div>
            <Show when=move || is_invalid.get()>
                <p class="failure-message" role="alert">"This is not an address of a file."</p>
            </Show>
        </form>
    }
}

/// Takes a GGUF file from this device, or all parts of a model in several files.
#[component]
fn FileForm(on_choose: impl Fn(Vec<web_sys::File>) + 'static) -> impl IntoView {
    let field = NodeRef::<Input>::new();
    let choose = move |_| {
        let files = field.get_untracked().and_then(|field| field.files());
        on_choose(files.map(|files| list(&files)).unwrap_or_default());
    };
    view! {
        <section>
            <h3>
                <label for="model-file">"From this device"</label>
            </h3>
            <p>"Or drop it anywhere on the page."</p>
            <input id="model-file" node_ref=field type="file" accept=".gguf" multiple on:change=choose />
        </section>
    }
}

/// The files of a browser's list.
pub(crate) fn list(files: &web_sys::FileList) -> Vec<web_sys::File> {
    (0..files.length()).filter_map(|index| files.get(index)).collect()
}

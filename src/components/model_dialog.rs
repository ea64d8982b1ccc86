//! Chooses the model: the demo model, a URL, or a file.

use leptos::html::{Dialog, Input};
use leptos::prelude::*;
use parlance_protocol::ModelSource;

use super::icons::CloseIcon;
use super::units;
use crate::client::{Client, EngineState};
use crate::options::absolute_url;
use crate::storage;

/// A modal dialog. `on_close` removes it.
#[component]
pub(crate) fn ModelDialog(on_close: impl Fn() + Copy + Send + 'static) -> impl IntoView {
    let client = expect_context::<Client>();
    let dialog = NodeRef::<Dialog>::new();
    Effect::new(move |_| {
        if let Some(dialog) = dialog.get() {
            // Fails only if it is open already.
            let _ = dialog.show_modal();
        }
    });
    let load = move |source: ModelSource, file: Option<web_sys::File>| {
        storage::agree_to_load();
        client.load(source, file);
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
            <CurrentModel />
            <section>
                <h3>"Demo model"</h3>
                <p>"SmolLM2 135M Instruct, 98 MB: small and quick, good for a first look."</p>
                <button on:click=move |_| { storage::agree_to_load(); client.load_default(); on_close(); }>"Load"</button>
            </section>
            <UrlForm on_choose=move |url| load(ModelSource::Url { url }, None) />
            <FileForm on_choose=move |file: web_sys::File| load(ModelSource::File { name: file.name() }, Some(file)) />
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
        match absolute_url(&text).filter(|_| !text.trim().is_empty()) {
            Some(url) => on_choose(url),
            None => is_invalid.set(true),
        }
    };
    view! {
        <form on:submit=submit>
            <h3>
                <label for="model-url">"From an address"</label>
            </h3>
            <p>"A GGUF file of the Llama family in Q4_0, Q4_1, Q8_0, F16 or F32."</p>
            <div class="row">
                <input
                    id="model-url"
                    node_ref=field
                    inputmode="url"
                    placeholder="https://…/model.gguf"
                    aria-invalid=move || is_invalid.get().to_string()
                />
                <button type="submit">"Load"</button>
            </div>
            <Show when=move || is_invalid.get()>
                <p class="failure-message" role="alert">"This is not an address of a file."</p>
            </Show>
        </form>
    }
}

/// Takes a GGUF file from this device.
#[component]
fn FileForm(on_choose: impl Fn(web_sys::File) + 'static) -> impl IntoView {
    let field = NodeRef::<Input>::new();
    let choose = move |_| {
        let files = field.get_untracked().and_then(|field| field.files());
        if let Some(file) = files.and_then(|files| files.get(0)) {
            on_choose(file);
        }
    };
    view! {
        <section>
            <h3>
                <label for="model-file">"From this device"</label>
            </h3>
            <input id="model-file" node_ref=field type="file" accept=".gguf" on:change=choose />
        </section>
    }
}

//! Chooses the model: the demo model, a URL, or a file; what is loaded, and a way to all others.

use leptos::html::Input;
use leptos::prelude::*;
use parlance_protocol::FailureKind;

use super::cache_choice::CacheChoice;
use super::device_select::DeviceSelect;
use super::dialog::Dialog;
use super::files::list;
use super::focus::element;
use super::idle_choice::IdleChoice;
use super::model_choice::{Choice, ModelChoice};
use super::remembered_files::RememberedFiles;
use super::units;
use crate::client::{Client, EngineState, Inspection};
use crate::i18n::{tf, tr};
use crate::options::model_url;
use crate::storage;

/// A modal dialog with a model to look at, if there is one: files that were dropped on the page, or a model of the catalogue. `on_close`
/// removes it.
#[component]
pub(crate) fn ModelDialog(first: Option<Choice>, on_close: impl Fn() + Copy + Send + Sync + 'static) -> impl IntoView {
    let client = expect_context::<Client>();
    let choice = RwSignal::new_local(first);
    // What the address leads to stands beside its field.
    let addressed = RwSignal::new_local(None::<Choice>);
    let look_up = move |url: Option<String>| {
        choice.set(None);
        addressed.set(url.map(Choice::of_url));
    };
    let look_at = move |files| {
        addressed.set(None);
        choice.set(Choice::of_files(files));
    };
    let load = move |choice: Choice, context_tokens| {
        storage::agree_to_load();
        client.load(choice.source, choice.files, context_tokens);
        on_close();
    };
    let load_demo = move |_| {
        storage::agree_to_load();
        client.load_default();
        on_close();
    };
    view! {
        <Dialog title="model" on_close=on_close>
            {move || choice.get().map(|choice| view! { <ModelChoice choice on_load=load /> })}
            <CurrentModel />
            <section>
                <h3>{tr("demo-model")}</h3>
                <p>{tr("demo-model-text")}</p>
                <div class="actions">
                    <button on:click=load_demo>{tr("load")}</button>
                    <a class="button" href="catalogue">
                        {tr("all-models")}
                    </a>
                    <a class="button" href="storage">
                        {tr("storage")}
                    </a>
                </div>
            </section>
            <UrlForm is_looked_up=move || addressed.read().is_some() on_choose=look_up>
                {move || addressed.get().map(|choice| view! { <ModelChoice choice on_load=load /> })}
            </UrlForm>
            <FileForm on_choose=look_at />
            <section>
                <DeviceSelect />
                <CacheChoice />
            </section>
        </Dialog>
    }
}

/// What is loaded, and a button to free its memory.
#[component]
fn CurrentModel() -> impl IntoView {
    let client = expect_context::<Client>();
    move || {
        let EngineState::Ready(model) = client.engine().get() else { return ().into_any() };
        let adapter = if model.adapter.is_empty() { "WebGPU".to_owned() } else { model.adapter };
        let details = tf(
            if model.is_cpu { "model-details-cpu" } else { "model-details" },
            [
                ("gpu", units::bytes(model.len_bytes).into()),
                ("memory", units::bytes(model.peak_memory_bytes).into()),
                ("tokens", units::count(model.context_tokens.into()).into()),
                ("seconds", units::decimal(model.load_seconds, 1).into()),
                ("adapter", adapter.into()),
            ],
        );
        view! {
            <section
                data-testid="current-model"
                data-memory=model.peak_memory_bytes
                data-context=model.context_tokens
                data-kv-bytes=model.kv_bytes
            >
                <h3>{model.name}</h3>
                <p>{details}</p>
                <button on:click=move |_| client.unload()>{tr("unload")}</button>
                <IdleChoice />
            </section>
        }
        .into_any()
    }
}

/// Takes the address of a GGUF file; `None` is chosen by what is no address. `children` are the verdict on what it leads to, which
/// `is_looked_up` says is there.
#[component]
fn UrlForm(
    is_looked_up: impl Fn() -> bool + Copy + Send + 'static,
    on_choose: impl Fn(Option<String>) + 'static,
    children: Children,
) -> impl IntoView {
    let client = expect_context::<Client>();
    let field = NodeRef::<Input>::new();
    let is_none = RwSignal::new(false);
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let text = element(field).map(|field| field.value()).unwrap_or_default();
        let url = model_url(&text);
        is_none.set(url.is_none());
        on_choose(url);
    };
    let is_refused = move || match &*client.inspection().read() {
        // That a host was not allowed yet makes no address wrong.
        Some(Inspection::Failed(failure)) => failure.kind != FailureKind::NotAllowed,
        _ => false,
    };
    let is_invalid = move || is_none.get() || is_looked_up() && is_refused();
    view! {
        <section>
            <form on:submit=submit>
                <h3>
                    <label for="model-url">{tr("from-address")}</label>
                </h3>
                <p id="model-url-text">{tr("from-address-text")}</p>
                <div class="row">
                    <input
                        id="model-url"
                        node_ref=field
                        inputmode="url"
                        dir="ltr"
                        placeholder="https://…/model.gguf · owner/repository/file.gguf"
                        aria-invalid=move || is_invalid().to_string()
                        aria-describedby="model-url-text model-url-verdict"
                    />
                    <button type="submit">{tr("look")}</button>
                </div>
            </form>
            <div id="model-url-verdict">
                <Show when=move || is_none.get()>
                    <p class="failure-message" role="alert">{tr("not-an-address")}</p>
                </Show>
                {children()}
            </div>
        </section>
    }
}

/// Takes a GGUF file from this device, or all parts of a model in several files.
#[component]
fn FileForm(on_choose: impl Fn(Vec<web_sys::File>) + Copy + Send + 'static) -> impl IntoView {
    let field = NodeRef::<Input>::new();
    let choose = move |_| {
        let files = element(field).and_then(|field| field.files());
        on_choose(files.map(|files| list(&files)).unwrap_or_default());
    };
    view! {
        <section>
            <h3>
                <label for="model-file">{tr("from-device")}</label>
            </h3>
            <p>{tr("from-device-text")}</p>
            <input id="model-file" node_ref=field type="file" accept=".gguf" multiple on:change=choose />
            <RememberedFiles on_choose />
        </section>
    }
}

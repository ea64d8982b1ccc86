//! The model dialog: the current model, the demo model, loading from a URL or file, and device settings.

use leptos::html::Input;
use leptos::prelude::*;
use parlance_protocol::FailureKind;
use parlance_protocol::library::ChatModel;

use super::device_select::DeviceSelect;
use super::dialog::Dialog;
use super::files::list;
use super::focus::element;
use super::idle_unload_select::IdleUnloadSelect;
use super::kv_cache_toggle::KvCacheToggle;
use super::model_inspection::ModelInspection;
use super::model_switcher::ModelSwitcher;
use super::remembered_files::RememberedFiles;
use super::units;
use crate::chats::Chats;
use crate::client::{Candidate, Client, EngineState, Inspection};
use crate::i18n::{tf, tr};
use crate::names::friendly;
use crate::options::model_url;
use crate::storage;

/// The dialog. `first` is a model to inspect when it opens: files dropped on the page, or a model in the catalogue. `on_close` has to
/// remove the dialog.
#[component]
pub(crate) fn ModelDialog(
    first: Option<Candidate>,
    on_close: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let client = expect_context::<Client>();
    let chats = expect_context::<Chats>();
    let candidate = RwSignal::new_local(first);
    // A model given by URL is shown below its field.
    let url_candidate = RwSignal::new_local(None::<Candidate>);
    let inspect_url = move |url: Option<String>| {
        candidate.set(None);
        url_candidate.set(url.map(Candidate::of_url));
    };
    let inspect_files = move |files| {
        url_candidate.set(None);
        candidate.set(Candidate::of_files(files));
    };
    let load = move |candidate: Candidate, context_tokens| {
        storage::agree_to_load();
        let chosen = candidate.chosen();
        storage::prefer_model(chosen.as_ref());
        chats.follow_model(chosen);
        client.load_candidate(candidate, context_tokens);
        on_close();
    };
    let switch = move |model: ChatModel| {
        chats.use_model(model);
        on_close();
    };
    let load_demo = move |_| {
        storage::agree_to_load();
        chats.follow_model(None);
        client.load_default();
        on_close();
    };
    view! {
        <Dialog title="model" on_close=on_close>
            {move || candidate.get().map(|candidate| view! { <ModelInspection candidate on_load=load /> })}
            <CurrentModel />
            <ModelSwitcher on_choose=switch />
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
            <UrlForm is_inspected=move || url_candidate.read().is_some() on_choose=inspect_url>
                {move || url_candidate.get().map(|candidate| view! { <ModelInspection candidate on_load=load /> })}
            </UrlForm>
            <FileForm on_choose=inspect_files />
            <details class="advanced">
                <summary>{tr("advanced")}</summary>
                <DeviceSelect />
                <KvCacheToggle />
            </details>
        </Dialog>
    }
}

/// The loaded model, with a button to unload it.
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
                <h3>{friendly(&model.name)}</h3>
                <p>{details}</p>
                <button on:click=move |_| client.unload()>{tr("unload")}</button>
                <IdleUnloadSelect />
            </section>
        }
        .into_any()
    }
}

/// A field for the URL of a GGUF file. `on_choose` gets `None` if the input is not a URL. `children` shows the inspection of the model, if
/// `is_inspected`.
#[component]
fn UrlForm(
    is_inspected: impl Fn() -> bool + Copy + Send + 'static,
    on_choose: impl Fn(Option<String>) + 'static,
    children: Children,
) -> impl IntoView {
    let client = expect_context::<Client>();
    let field = NodeRef::<Input>::new();
    let is_no_url = RwSignal::new(false);
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let text = element(field).map(|field| field.value()).unwrap_or_default();
        let url = model_url(&text);
        is_no_url.set(url.is_none());
        on_choose(url);
    };
    let has_failed = move || match &*client.inspection().read() {
        // A URL whose host is not allowed yet is not invalid.
        Some(Inspection::Failed(failure)) => failure.kind != FailureKind::NotAllowed,
        _ => false,
    };
    let is_invalid = move || is_no_url.get() || is_inspected() && has_failed();
    view! {
        <section>
            <form on:submit=submit>
                <h3>
                    <label for="model-url">{tr("load-from-url")}</label>
                </h3>
                <p id="model-url-text">{tr("load-from-url-text")}</p>
                <div class="row">
                    <input
                        id="model-url"
                        node_ref=field
                        inputmode="url"
                        dir="ltr"
                        placeholder="https://…/model.gguf · owner/repository/file.gguf"
                        aria-invalid=move || is_invalid().to_string()
                        aria-describedby="model-url-text model-url-result"
                    />
                    <button type="submit">{tr("view-details")}</button>
                </div>
            </form>
            <div id="model-url-result">
                <Show when=move || is_no_url.get()>
                    <p class="failure-message" role="alert">{tr("invalid-url")}</p>
                </Show>
                {children()}
            </div>
        </section>
    }
}

/// A field for a GGUF file on this device, or for all parts of a split model.
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
                <label for="model-file">{tr("load-from-file")}</label>
            </h3>
            <p>{tr("load-from-file-text")}</p>
            <input id="model-file" node_ref=field type="file" accept=".gguf" multiple on:change=choose />
            <RememberedFiles on_choose />
        </section>
    }
}

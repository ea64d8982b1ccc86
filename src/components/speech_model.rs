//! Proposes a model that turns speech into text, and fetches it once the user agrees.

use leptos::prelude::*;
use parlance_protocol::Failure;

use super::dialog::Dialog;
use super::failure_notice::FailureNotice;
use super::model_status::{Bar, detail};
use super::units;
use crate::allowed_hosts;
use crate::catalogue::{self, CatalogueModel};
use crate::client::{Client, LoadProgress};
use crate::i18n::{t, tf, tr};

/// A dialog that proposes the model.
#[component]
pub(crate) fn SpeechModelDialog(on_close: impl Fn() + Copy + Send + Sync + 'static) -> impl IntoView {
    view! {
        <Dialog title="speech-recognition" on_close>
            <SpeechModel on_ready=on_close />
        </Dialog>
    }
}

/// The models to choose from; `on_ready` is called when one is loaded.
#[component]
pub(crate) fn SpeechModel(on_ready: impl Fn() + Copy + Send + Sync + 'static) -> impl IntoView {
    let client = expect_context::<Client>();
    let models = LocalResource::new(catalogue::fetch_hearing);
    let chosen = RwSignal::new(0_usize);
    let failure = RwSignal::new(None::<Failure>);
    let model = move || models.get().flatten()?.into_iter().nth(chosen.get());
    let url = move || Some(model()?.chosen()?.url);
    let label = move || {
        let size = units::rounded_bytes(model().map_or(0.0, |model| model.size_mb * 1e6));
        match url().filter(|url| allowed_hosts::needs_permission(url)).and_then(|url| allowed_hosts::origin_of(&url)) {
            Some(host) => tf("allow-and-download", [("host", host.into()), ("size", size.into())]),
            None => tf("download-model", [("size", size.into())]),
        }
    };
    let fetch = move |_| {
        let Some(url) = untrack(url) else { return };
        if allowed_hosts::needs_permission(&url) {
            // The page is loaded anew; then the host is allowed.
            return allowed_hosts::allow_here(&url);
        }
        failure.set(None);
        leptos::task::spawn_local(async move {
            match client.load_speech(url).await {
                Ok(()) => on_ready(),
                // The dialog may be gone.
                Err(error) => drop(failure.try_set(Some(error))),
            }
        });
    };
    let option = move |(index, model): (usize, CatalogueModel)| {
        let name = format!("{} · {} · {}", model.name, model.licence, units::rounded_bytes(model.size_mb * 1e6));
        view! {
            <option value=index selected=move || chosen.get() == index>
                {name}
            </option>
        }
    };
    let choose = move |event| chosen.set(event_target_value(&event).parse().unwrap_or_default());
    view! {
        <section data-testid="speech-model">
            <p>{tr("speech-recognition-text")}</p>
            <div class="row">
                <select aria-label=tr("speech-model") on:change=choose>
                    {move || models.get().flatten().into_iter().flatten().enumerate().map(option).collect_view()}
                </select>
                <button type="button" class="primary" data-testid="fetch-speech-model" on:click=fetch>
                    {label}
                </button>
            </div>
            <SpeechLoad />
            {move || failure.get().map(|failure| view! { <FailureNotice failure /> })}
        </section>
    }
}

/// How far the model is loaded, while it is.
#[component]
pub(crate) fn SpeechLoad() -> impl IntoView {
    let client = expect_context::<Client>();
    let load = client.speech_load();
    let share = move || {
        let LoadProgress { done_bytes, total_bytes, .. } = load.get()?;
        Some(done_bytes / total_bytes?.max(1.0))
    };
    view! {
        <Show when=move || load.read().is_some()>
            <div class="progress" data-testid="speech-load">
                <div class="progress-title">
                    <span role="status">{move || t("loading-speech-model")}</span>
                    <span class="progress-detail">{move || load.get().map(detail)}</span>
                </div>
                <Bar share=Signal::derive(share) />
                <button type="button" on:click=move |_| client.cancel_speech_load()>
                    {tr("cancel")}
                </button>
            </div>
        </Show>
    }
}

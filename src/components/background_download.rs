//! A model that is fetched while another one answers.

use leptos::prelude::*;
use parlance_protocol::ModelSource;
use parlance_protocol::library::ChatModel;

use super::allow_host::AllowHostOnFailure;
use super::failure_notice::FailureNotice;
use super::model_status::{Bar, detail};
use crate::client::{Client, Download, DownloadState, LoadProgress};
use crate::i18n::{tf, tr};

/// A card above the composer while a model is fetched, and afterwards until it is used.
#[component]
pub(crate) fn BackgroundDownload() -> impl IntoView {
    let client = expect_context::<Client>();
    let download = client.download();
    // One view per model and kind of state, so that progress does not rebuild the card.
    let kind = Memo::new(move |_| {
        let download = download.read();
        download.as_ref().map(|Download { model, state }| (model.url.clone(), std::mem::discriminant(state)))
    });
    move || {
        // Rerun only when one of them changes.
        kind.get();
        download.get_untracked().map(|Download { model, state }| match state {
            DownloadState::Running(first) => {
                let progress = Signal::derive(move || match &*download.read() {
                    Some(Download { state: DownloadState::Running(progress), .. }) => *progress,
                    _ => first,
                });
                view! { <Fetching model progress /> }.into_any()
            }
            DownloadState::Done => {
                let name = model.name;
                view! {
                    <section class="card offer" data-testid="model-fetched">
                        <p role="status">{move || tf("model-fetched", [("name", name.clone().into())])}</p>
                        <div class="actions">
                            <button class="primary" on:click=move |_| client.use_download()>{tr("use-model")}</button>
                            <button on:click=move |_| client.dismiss_download()>{tr("close")}</button>
                        </div>
                    </section>
                }
                .into_any()
            }
            DownloadState::Failed(failure) => {
                let kind = failure.kind;
                view! {
                    <section class="card" data-testid="fetch-failure">
                        <FailureNotice failure />
                        <div class="actions">
                            <AllowHostOnFailure kind source=Some(ModelSource::Url { url: model.url }) />
                            <button class="primary" on:click=move |_| client.retry_fetch()>{tr("try-again")}</button>
                            <button on:click=move |_| client.dismiss_download()>{tr("cancel")}</button>
                        </div>
                    </section>
                }
                .into_any()
            }
        })
    }
}

/// How far the download is.
#[component]
fn Fetching(model: ChatModel, progress: Signal<LoadProgress>) -> impl IntoView {
    let client = expect_context::<Client>();
    let share = Signal::derive(move || {
        let LoadProgress { done_bytes, total_bytes, .. } = progress.get();
        total_bytes.map(|total| done_bytes / total.max(1.0))
    });
    view! {
        <section class="card progress" data-testid="fetch-progress">
            <div class="progress-title">
                <span role="status">{move || tf("fetching-model", [("name", model.name.clone().into())])}</span>
                <span class="progress-detail">{move || detail(progress.get())}</span>
            </div>
            <Bar share />
            <div class="actions">
                <button on:click=move |_| client.dismiss_download()>{tr("cancel")}</button>
            </div>
        </section>
    }
}

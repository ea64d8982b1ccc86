//! The models in a repository of Hugging Face: each quantisation with its size, and whether it fits this device.

use leptos::prelude::*;
use parlance_protocol::library::ChatModel;

use super::hub_failure::HubFailure;
use super::units;
use crate::catalogue::{Fit, device_gb};
use crate::client::Client;
use crate::hub::{self, HubError, ModelFile, Projector, RepositoryFiles};
use crate::i18n::{t, tf, tr};
use crate::names::friendly;

/// The models of a repository. `on_inspect` shows a model's details.
#[component]
pub(crate) fn HubFiles(
    repository: String,
    is_gated: bool,
    on_inspect: impl Fn(ChatModel) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let page = hub::page_of(&repository);
    let files = RwSignal::new(None::<Result<RepositoryFiles, HubError>>);
    leptos::task::spawn_local(async move {
        let listed = hub::files_of(&repository).await;
        // The list may have been replaced meanwhile.
        files.try_set(Some(listed));
    });
    let body = move || match files.get() {
        None => view! { <p role="status">{tr("loading")}</p> }.into_any(),
        Some(Err(error)) => view! { <HubFailure error /> }.into_any(),
        Some(Ok(RepositoryFiles { models, incomplete })) => {
            let is_empty = models.is_empty();
            let one = |model: ModelFile| view! { <FileItem model on_inspect /> };
            view! {
                <Show when=move || is_empty>
                    <p>{tr("hub-no-models")}</p>
                </Show>
                <ul class="hub-files">{models.into_iter().map(one).collect_view()}</ul>
                {(incomplete > 0)
                    .then(|| {
                        let text = move || tf("hub-incomplete", [("count", incomplete.into())]);
                        view! { <p class="muted">{text}</p> }
                    })}
            }
            .into_any()
        }
    };
    let needs_token = is_gated && !hub::has_token(&hub::server());
    view! {
        <p>
            <a href=page target="_blank" rel="noopener noreferrer">
                {tr("repository-page")}
            </a>
        </p>
        {needs_token.then(|| view! { <p class="hint">{tr("gated-help")}</p> })}
        {body}
    }
}

/// A model: its format, size and fit, and buttons that show its details or download it.
#[component]
fn FileItem(model: ModelFile, on_inspect: impl Fn(ChatModel) + Copy + Send + Sync + 'static) -> impl IntoView {
    let client = expect_context::<Client>();
    let ModelFile { name, format, url, len_bytes, parts, projector } = model;
    let sees = RwSignal::new(projector.is_some());
    let projector = StoredValue::new(projector);
    let seeing_bytes = move || projector.with_value(|projector| projector.as_ref().map_or(0.0, |file| file.len_bytes));
    let total_bytes = move || len_bytes + if sees.get() { seeing_bytes() } else { 0.0 };
    let friendly_name = friendly(&name);
    let chosen = StoredValue::new((friendly_name, url));
    let choose = move || {
        let (name, url) = chosen.get_value();
        // Without one, none is to be looked for: the user decided against it, or there is none.
        let seen_with = projector.with_value(|projector| projector.as_ref().map(|projector| projector.url.clone()));
        let projector = Some(seen_with.filter(|_| sees.get_untracked()).unwrap_or_default());
        ChatModel { name, url, projector, draft: None }
    };
    let fit = move || Fit::of(total_bytes(), device_gb()).names();
    let facts = move || {
        let files = (parts > 1).then(|| tf("in-files", [("count", parts.into())]));
        let facts = [units::bytes(total_bytes())].into_iter().chain(files);
        facts.collect::<Vec<_>>().join(" · ")
    };
    let label = format.unwrap_or_else(|| name.clone());
    view! {
        <li class="hub-file" data-file=name>
            <strong dir="ltr">{label}</strong>
            <span class="facts">{facts}</span>
            <span class="fit" data-fit=move || fit().0>
                {move || t(fit().1)}
            </span>
            {projector.get_value().map(|file| view! { <SeesToggle file sees /> })}
            <div class="actions">
                <button class="small" on:click=move |_| on_inspect(choose())>
                    {tr("view-details")}
                </button>
                <button class="small primary" data-testid="hub-download" on:click=move |_| client.fetch(choose())>
                    {tr("download")}
                </button>
            </div>
        </li>
    }
}

/// Whether the file is wanted with which the model sees images.
#[component]
fn SeesToggle(file: Projector, sees: RwSignal<bool>) -> impl IntoView {
    let Projector { name, len_bytes, .. } = file;
    let label = move || tf("with-images", [("name", name.clone().into()), ("size", units::bytes(len_bytes).into())]);
    view! {
        <label class="choice-label">
            <input type="checkbox" checked=true on:change=move |event| sees.set(event_target_checked(&event)) />
            {label}
        </label>
    }
}

//! Searching Hugging Face for models.

use leptos::prelude::*;
use parlance_protocol::library::ChatModel;

use super::allow_host::AllowButton;
use super::hub_access::HubAccess;
use super::hub_failure::HubFailure;
use super::hub_files::HubFiles;
use super::units;
use crate::allowed_hosts;
use crate::hub::{self, HubError, Repository};
use crate::i18n::{t, tf, tr};

/// A field for words, and the repositories with models that match them. `on_inspect` shows a model's details.
#[component]
pub(crate) fn HubSearch(on_inspect: impl Fn(ChatModel) + Copy + Send + Sync + 'static) -> impl IntoView {
    // Counts changes of the server and the token, after which the search starts over.
    let access = RwSignal::new(0_u32);
    let host = Memo::new(move |_| {
        access.track();
        hub::server()
    });
    let body = move || {
        let host = host.get();
        if hub::may_connect() {
            view! { <Search access on_inspect /> }.into_any()
        } else if allowed_hosts::needs_permission(&host) {
            view! {
                <p>{tr("hub-not-allowed")}</p>
                <div class="actions">
                    <AllowButton url=host allow=allowed_hosts::allow_here />
                </div>
            }
            .into_any()
        } else {
            // It was allowed after this page had been opened.
            view! { <p>{tr("allowed-elsewhere")}</p> }.into_any()
        }
    };
    view! {
        <section class="hub" data-testid="hub">
            <h2>{move || tf("hub-search", [("host", name_of(&host.get()).into())])}</h2>
            {body}
            <HubAccess access />
        </section>
    }
}

/// A server's name: its host.
fn name_of(origin: &str) -> String {
    if origin == hub::HUGGING_FACE {
        return "Hugging Face".to_owned();
    }
    origin.rsplit('/').next().unwrap_or_default().to_owned()
}

#[component]
fn Search(access: RwSignal<u32>, on_inspect: impl Fn(ChatModel) + Copy + Send + Sync + 'static) -> impl IntoView {
    let words = RwSignal::new(String::new());
    let found = RwSignal::new(None::<Result<Vec<Repository>, HubError>>);
    let is_searching = RwSignal::new(false);
    // So that the answer to an earlier search does not replace that to a later one.
    let latest = StoredValue::new(0_u32);
    let search = move || {
        let text = words.get_untracked();
        if text.trim().is_empty() {
            return;
        }
        latest.update_value(|latest| *latest += 1);
        let this = latest.get_value();
        is_searching.set(true);
        leptos::task::spawn_local(async move {
            let result = hub::search(&text).await;
            // The page may have been left.
            if latest.try_get_value() == Some(this) {
                is_searching.set(false);
                found.set(Some(result));
            }
        });
    };
    Effect::watch(move || access.get(), move |_, _, _| search(), false);
    let status = move || match &*found.read() {
        _ if is_searching.get() => t("searching"),
        Some(Ok(found)) if found.is_empty() => t("hub-nothing-found"),
        _ => String::new(),
    };
    let results = move || match found.get() {
        Some(Err(error)) => view! { <HubFailure error /> }.into_any(),
        Some(Ok(found)) => {
            let one = |repository: Repository| view! { <RepositoryItem repository on_inspect /> };
            view! { <ul class="repositories">{found.into_iter().map(one).collect_view()}</ul> }.into_any()
        }
        None => ().into_any(),
    };
    view! {
        <form
            class="row"
            on:submit=move |event| {
                event.prevent_default();
                search();
            }
        >
            <input
                id="hub-words"
                type="search"
                placeholder=tr("hub-words")
                aria-label=tr("hub-words")
                on:input:target=move |event| words.set(event.target().value())
            />
            <button type="submit" data-testid="hub-submit">{tr("search")}</button>
        </form>
        <p role="status" class="muted">{status}</p>
        {results}
    }
}

/// A repository, whose files are listed when it is opened.
#[component]
fn RepositoryItem(
    repository: Repository,
    on_inspect: impl Fn(ChatModel) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let is_open = RwSignal::new(false);
    let id = repository.id.clone();
    let is_gated = repository.is_gated();
    let facts = move || {
        let parameters = repository.parameters().map(|count| tf("parameters", [("count", units::count(count).into())]));
        let licence = repository.licence().map_or_else(|| t("licence-unknown"), str::to_owned);
        let downloads = tf("downloads", [("count", units::count(repository.downloads).into())]);
        let architecture = repository.architecture().map(str::to_owned);
        let gated = is_gated.then(|| t("gated"));
        let facts = parameters.into_iter().chain(architecture).chain([licence, downloads]).chain(gated);
        facts.collect::<Vec<_>>().join(" · ")
    };
    let (name, files_id) = (id.clone(), id.clone());
    view! {
        <li class="repository" data-repository=id>
            <details on:toggle=move |_| is_open.set(true)>
                <summary>
                    <strong dir="ltr">{name}</strong>
                    <span class="facts">{facts}</span>
                </summary>
                <Show when=move || is_open.get()>
                    <HubFiles repository=files_id.clone() is_gated on_inspect />
                </Show>
            </details>
        </li>
    }
}

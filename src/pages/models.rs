//! The models page: the catalogue, with memory requirements and whether models fit.

use std::collections::BTreeSet;

use leptos::prelude::*;
use parlance_protocol::library::ChatModel;

use crate::allowed_hosts::origin_of;
use crate::catalogue::{self, CatalogueModel};
use crate::client::{Candidate, Client};
use crate::components::background_download::BackgroundDownload;
use crate::components::hub_search::HubSearch;
use crate::components::model_dialog::ModelDialog;
use crate::components::navigation::use_go_to_chat;
use crate::components::notice::Notice;
use crate::components::page_header::PageHeader;
use crate::components::units;
use crate::i18n::{t, tf, tr};
use crate::options::{is_same_model, model_url};

/// The models page.
#[component]
pub(crate) fn ModelsPage() -> impl IntoView {
    let client = expect_context::<Client>();
    client.list_stored();
    let catalogue = LocalResource::new(catalogue::fetch);
    let query = RwSignal::new(String::new());
    // The open model dialog, with the model that it shows first.
    let dialog = RwSignal::new_local(None::<Option<Candidate>>);
    let go = use_go_to_chat();
    let close = StoredValue::new_local(move || {
        dialog.set(None);
        // If a model was chosen, go to the chat, which shows its progress.
        if client.is_loading().get_untracked() {
            go(None);
        }
    });
    let inspect = move |model: ChatModel| dialog.set(Some(Some(Candidate::of_model(model))));
    let family = RwSignal::new(None::<String>);
    let families = Memo::new(move |_| {
        let all: BTreeSet<String> = catalogue.get().flatten().into_iter().flatten().map(|model| model.family).collect();
        all
    });
    // Smallest first: those are the ones most devices can run.
    let found = Memo::new(move |_| {
        let is_wanted = |model: &CatalogueModel| {
            model.matches(&query.read()) && family.read().as_ref().is_none_or(|family| *family == model.family)
        };
        let mut found: Vec<_> = catalogue.get().flatten().into_iter().flatten().filter(is_wanted).collect();
        found.sort_by(|a, b| a.size_mb.total_cmp(&b.size_mb));
        found
    });
    let family_button = move |name: Option<String>| {
        let label = name.clone();
        let chosen = name.clone();
        view! {
            <button
                class="small"
                aria-pressed=move || (*family.read() == name).to_string()
                on:click=move |_| family.set(chosen.clone())
            >
                {move || label.clone().unwrap_or_else(|| t("all-families"))}
            </button>
        }
    };
    let cards = move || {
        view! {
            <ul class="cards">
                {found.get().into_iter().map(|model| view! { <ModelCard model on_inspect=inspect /> }).collect_view()}
            </ul>
        }
    };
    let body = move || match catalogue.get() {
        None => view! { <p role="status">{tr("loading")}</p> }.into_any(),
        Some(None) => view! { <p class="empty">{tr("catalogue-unavailable")}</p> }.into_any(),
        Some(Some(_)) if found.read().is_empty() => view! { <p class="empty">{tr("no-models-found")}</p> }.into_any(),
        Some(Some(_)) => cards().into_any(),
    };
    view! {
        <main class="page wide">
            <PageHeader title="models" />
            <Notice />
            <div class="row">
                <input
                    id="filter"
                    type="search"
                    placeholder=tr("filter-models")
                    aria-label=tr("filter-models")
                    on:input:target=move |event| query.set(event.target().value())
                />
                <button data-testid="add-model" on:click=move |_| dialog.set(Some(None))>
                    {tr("add-model")}
                </button>
            </div>
            <BackgroundDownload />
            <HubSearch on_inspect=inspect />
            <div class="actions" role="group" aria-label=tr("model-families")>
                {move || [None].into_iter().chain(families.get().into_iter().map(Some)).map(family_button).collect_view()}
            </div>
            <div data-testid="catalogue">{body}</div>
            {move || {
                dialog
                    .get()
                    .map(|first| view! { <ModelDialog first on_close=move || close.with_value(|close| close()) /> })
            }}
        </main>
    }
}

/// One model in the catalogue.
#[component]
fn ModelCard(model: CatalogueModel, on_inspect: impl Fn(ChatModel) + Copy + 'static) -> impl IntoView {
    let client = expect_context::<Client>();
    let url = model_url(&model.url).unwrap_or_default();
    let downloaded = Memo::new(move |_| {
        let storage = client.stored().get()?.ok()?;
        let stored = storage.models.into_iter().find(|stored| is_same_model(&stored.url, &url))?;
        Some((stored.done_bytes, stored.len_bytes))
    });
    let (fit_name, fit_key) = model.fit(catalogue::device_gb()).names();
    let memory_bytes = model.memory_bytes();
    let facts = {
        let model = model.clone();
        move || {
            let parameters = tf("parameters", [("count", units::count(model.parameters * 1e9).into())]);
            let context = tf("context-tokens", [("tokens", units::count(model.context.into()).into())]);
            let size = units::rounded_bytes(model.size_mb * 1e6);
            let facts = [parameters, model.quant.clone(), size, context, model.licence.clone()];
            facts.into_iter().chain(model.sees.then(|| t("sees-images"))).collect::<Vec<_>>().join(" · ")
        }
    };
    let fit_text = move || {
        let needs = tf("needs-memory", [("size", units::rounded_bytes(memory_bytes).into())]);
        format!("{} · {needs}", t(fit_key))
    };
    let about = format!("about-{}", model.about);
    let status = move || {
        downloaded.get().map(|(done, total)| {
            if done < total {
                tf("part-of", [("part", units::bytes(done).into()), ("whole", units::bytes(total).into())])
            } else {
                t("already-downloaded")
            }
        })
    };
    let action = move || match downloaded.get() {
        Some((done, total)) if done < total => t("resume"),
        Some(_) => t("use-model"),
        None => t("view-details"),
    };
    let name = model.name.clone();
    let chosen = model.chosen();
    let inspect = move |_| {
        if let Some(chosen) = chosen.clone() {
            on_inspect(chosen);
        }
    };
    let source =
        (!model.source.is_empty()).then(|| view! { <ModelSourceText url=model.source checked=model.checked /> });
    view! {
        <li class="model-card" data-model=model.name>
            <h2>{name}</h2>
            <p>{move || t(&about)}</p>
            <p class="facts">{facts}</p>
            <p class="fit" data-fit=fit_name>{fit_text}</p>
            {source}
            <div class="actions">
                <button on:click=inspect>{action}</button>
                <span class="muted">{status}</span>
            </div>
        </li>
    }
}

/// Where an entry's address and size were taken from, and what of it could not be checked.
#[component]
fn ModelSourceText(url: String, checked: bool) -> impl IntoView {
    let host = origin_of(&url).and_then(|origin| Some(origin.split_once("://")?.1.to_owned())).unwrap_or_default();
    view! {
        <p class="facts model-source">
            {tr("model-source")} " "
            <a href=url target="_blank" rel="noopener noreferrer">
                {host}
            </a>
            ". "
            {tr(if checked { "source-checked" } else { "source-unchecked" })}
        </p>
    }
}

//! Asks before this site connects to a model's host for the first time.

use leptos::prelude::*;
use parlance_protocol::{FailureKind, ModelSource};

use crate::i18n::{tf, tr};
use crate::sources;

/// A button that allows the host of a model; nothing where that is not what failed.
#[component]
pub(crate) fn AllowSource(kind: FailureKind, source: Option<ModelSource>) -> impl IntoView {
    let url = match source {
        Some(ModelSource::Url { url }) if kind == FailureKind::NotAllowed => url,
        _ => return ().into_any(),
    };
    if sources::is_allowed(&url) {
        // Another tab, which holds the engine, was opened before.
        return view! { <p>{tr("allowed-elsewhere")}</p> }.into_any();
    }
    view! { <AllowButton url allow=sources::allow /> }.into_any()
}

/// The same for a model that is used beside the one that chats, as soon as its address is known.
#[component]
pub(crate) fn AllowSourceHere(#[prop(into)] url: Signal<Option<String>>) -> impl IntoView {
    move || {
        let url = url.get().filter(|url| sources::needs_permission(url));
        url.map(|url| {
            view! {
                <p>{tr("help-not-allowed")}</p>
                <AllowButton url allow=sources::allow_here />
            }
        })
    }
}

/// Allows the host of an address by `allow`.
#[component]
pub(crate) fn AllowButton(url: String, allow: fn(&str)) -> impl IntoView {
    let host = sources::origin_of(&url).unwrap_or_default();
    view! {
        <button class="primary" data-testid="allow-source" on:click=move |_| allow(&url)>
            {move || tf("allow-source", [("host", host.clone().into())])}
        </button>
    }
}

/// The hosts that were allowed, each with a way to take that back.
#[component]
pub(crate) fn AllowedSources() -> impl IntoView {
    let origins = RwSignal::new(sources::allowed());
    let item = move |origin: String| {
        let name = origin.clone();
        let forget = move |_| {
            sources::forget(&origin);
            origins.set(sources::allowed());
        };
        view! {
            <div class="row">
                <span dir="ltr">{name}</span>
                <button on:click=forget>{tr("forget")}</button>
            </div>
        }
    };
    view! {
        <section data-testid="allowed-sources">
            <h2>{tr("allowed-sources")}</h2>
            <p>{tr("allowed-sources-text")}</p>
            {move || origins.get().into_iter().map(item).collect_view()}
        </section>
    }
}

//! Lets the user allow the hosts that models are fetched from, and take that back.

use leptos::prelude::*;
use parlance_protocol::{FailureKind, ModelSource};

use crate::allowed_hosts;
use crate::i18n::{tf, tr};

/// A button that allows a model's host, shown if loading failed because the host is not allowed.
#[component]
pub(crate) fn AllowHostOnFailure(kind: FailureKind, source: Option<ModelSource>) -> impl IntoView {
    let url = match source {
        Some(ModelSource::Url { url }) if kind == FailureKind::NotAllowed => url,
        _ => return ().into_any(),
    };
    if allowed_hosts::is_allowed(&url) {
        // The tab that runs the engine was opened before the host was allowed.
        return view! { <p>{tr("allowed-elsewhere")}</p> }.into_any();
    }
    view! { <AllowButton url allow=allowed_hosts::allow /> }.into_any()
}

/// A button that allows the host of `url`, shown if the host is not allowed yet.
#[component]
pub(crate) fn AllowHost(#[prop(into)] url: Signal<Option<String>>) -> impl IntoView {
    move || {
        let url = url.get().filter(|url| allowed_hosts::needs_permission(url));
        url.map(|url| {
            view! {
                <p>{tr("help-not-allowed")}</p>
                <AllowButton url allow=allowed_hosts::allow_here />
            }
        })
    }
}

/// A button that calls `allow` with `url`.
#[component]
pub(crate) fn AllowButton(url: String, allow: fn(&str)) -> impl IntoView {
    let host = allowed_hosts::origin_of(&url).unwrap_or_default();
    view! {
        <button class="primary" data-testid="allow-host" on:click=move |_| allow(&url)>
            {move || tf("allow-host", [("host", host.clone().into())])}
        </button>
    }
}

/// The allowed hosts, each with a button that removes it.
#[component]
pub(crate) fn AllowedHosts() -> impl IntoView {
    let origins = RwSignal::new(allowed_hosts::allowed());
    let item = move |origin: String| {
        let name = origin.clone();
        let remove = move |_| {
            allowed_hosts::remove(&origin);
            origins.set(allowed_hosts::allowed());
        };
        view! {
            <div class="row">
                <span dir="ltr">{name}</span>
                <button on:click=remove>{tr("remove")}</button>
            </div>
        }
    };
    view! {
        <section data-testid="allowed-hosts">
            <h2>{tr("allowed-hosts")}</h2>
            <p>{tr("allowed-hosts-text")}</p>
            {move || origins.get().into_iter().map(item).collect_view()}
        </section>
    }
}

//! Asks before loading the model that a link names.

use leptos::prelude::*;
use web_sys::Url;

use super::allow_host::AllowButton;
use super::units;
use crate::allowed_hosts;
use crate::catalogue;
use crate::client::{Client, EngineState};
use crate::i18n::{tf, tr};
use crate::options::model_url;

/// A card above the composer while the user has to decide about a linked model.
#[component]
pub(crate) fn LinkedModel() -> impl IntoView {
    let client = expect_context::<Client>();
    // A memo, because the engine's state changes with every progress event.
    let link = Memo::new(move |_| client.link_to_confirm());
    move || link.get().map(|url| view! { <Confirmation url /> })
}

/// Shows the model's name, its host, its size if known, and the model that it would replace.
#[component]
fn Confirmation(url: String) -> impl IntoView {
    let client = expect_context::<Client>();
    let (name, host) = name_and_host(&url);
    let size_bytes = size_bytes(client, url.clone());
    let text = move || {
        let (name, host) = (name.clone(), host.clone());
        match size_bytes.get() {
            Some(size) => {
                let size = units::rounded_bytes(size);
                tf("linked-model-with-size", [("name", name.into()), ("host", host.into()), ("size", size.into())])
            }
            None => tf("linked-model", [("name", name.into()), ("host", host.into())]),
        }
    };
    let replaced = move || match &*client.engine().read() {
        EngineState::Ready(model) => Some(tf("linked-model-replaces", [("name", model.name.clone().into())])),
        _ => None,
    };
    let accept = if allowed_hosts::needs_permission(&url) {
        view! { <AllowButton url allow=allowed_hosts::allow /> }.into_any()
    } else {
        view! {
            <button class="primary" on:click=move |_| client.accept_link()>
                {tr("load-model")}
            </button>
        }
        .into_any()
    };
    view! {
        <section class="card offer" data-testid="model-offer">
            <p>{text} " " {replaced}</p>
            <div class="actions">
                {accept}
                <button on:click=move |_| client.decline_link()>{tr("cancel")}</button>
            </div>
        </section>
    }
}

/// The file name and host in a URL.
fn name_and_host(url: &str) -> (String, String) {
    let Ok(parsed) = Url::new(url) else { return (url.to_owned(), String::new()) };
    let path = parsed.pathname();
    (path.rsplit('/').next().unwrap_or_default().to_owned(), parsed.host())
}

/// The model's size in bytes, if it is on this device or in the catalogue.
fn size_bytes(client: Client, url: String) -> Memo<Option<f64>> {
    let catalogue = LocalResource::new(catalogue::fetch);
    Memo::new(move |_| {
        let storage = client.stored().get().and_then(Result::ok);
        let stored = storage.and_then(|storage| storage.models.into_iter().find(|model| model.url == url));
        stored.map(|model| model.len_bytes).or_else(|| {
            let mut listed = catalogue.get().flatten()?.into_iter();
            let model = listed.find(|model| model_url(&model.url).as_ref() == Some(&url))?;
            Some(model.size_mb * 1e6)
        })
    })
}

//! The token for gated repositories, and the server that is searched.

use leptos::html::Input;
use leptos::prelude::*;

use super::focus::element;
use crate::client::Client;
use crate::hub;
use crate::i18n::{tf, tr};

/// Folded: most people need neither. `access` counts changes.
#[component]
pub(crate) fn HubAccess(access: RwSignal<u32>) -> impl IntoView {
    let client = expect_context::<Client>();
    let changed = move || {
        client.configure();
        access.update(|count| *count += 1);
    };
    view! {
        <details class="hub-access">
            <summary>{tr("hub-access")}</summary>
            <TokenForm access on_change=changed />
            <ServerForm on_change=changed />
        </details>
    }
}

/// Enters or removes the token.
#[component]
fn TokenForm(access: RwSignal<u32>, on_change: impl Fn() + Copy + Send + Sync + 'static) -> impl IntoView {
    let field = NodeRef::<Input>::new();
    let is_invalid = RwSignal::new(false);
    let has_token = Memo::new(move |_| {
        access.track();
        hub::has_token(&hub::server())
    });
    let save = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let Some(field) = element(field) else { return };
        let is_saved = hub::save_token(&hub::server(), &field.value());
        is_invalid.set(!is_saved);
        if is_saved {
            field.set_value("");
            on_change();
        }
    };
    let forget = move |_| {
        hub::forget_token();
        on_change();
    };
    let text = move || {
        access.track();
        tf("hub-token-text", [("host", hub::server().into())])
    };
    view! {
        <form on:submit=save>
            <label for="hub-token">{tr("hub-token")}</label>
            <p id="hub-token-text">{text}</p>
            <div class="row">
                <input
                    id="hub-token"
                    node_ref=field
                    type="password"
                    dir="ltr"
                    autocomplete="off"
                    aria-invalid=move || is_invalid.get().to_string()
                    aria-describedby="hub-token-text"
                />
                <button type="submit">{tr("save")}</button>
                <Show when=move || has_token.get()>
                    <button type="button" data-testid="forget-token" on:click=forget>
                        {tr("remove")}
                    </button>
                </Show>
            </div>
            <Show when=move || is_invalid.get()>
                <p class="failure-message" role="alert">{tr("hub-token-invalid")}</p>
            </Show>
        </form>
    }
}

/// Names another server with the same API.
#[component]
fn ServerForm(on_change: impl Fn() + Copy + Send + Sync + 'static) -> impl IntoView {
    let field = NodeRef::<Input>::new();
    let is_invalid = RwSignal::new(false);
    let server = Some(hub::server()).filter(|server| server != hub::HUGGING_FACE).unwrap_or_default();
    let save = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let address = element(field).map(|field| field.value()).unwrap_or_default();
        let is_address = hub::set_server(&address);
        is_invalid.set(!is_address);
        if is_address {
            on_change();
        }
    };
    view! {
        <form on:submit=save>
            <label for="hub-server">{tr("hub-server")}</label>
            <p id="hub-server-text">{tr("hub-server-text")}</p>
            <div class="row">
                <input
                    id="hub-server"
                    node_ref=field
                    inputmode="url"
                    dir="ltr"
                    placeholder=hub::HUGGING_FACE
                    value=server
                    aria-invalid=move || is_invalid.get().to_string()
                    aria-describedby="hub-server-text"
                />
                <button type="submit">{tr("save")}</button>
            </div>
            <Show when=move || is_invalid.get()>
                <p class="failure-message" role="alert">{tr("invalid-url")}</p>
            </Show>
        </form>
    }
}

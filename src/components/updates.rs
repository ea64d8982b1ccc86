//! Registers the service worker and offers updates of the app, which are never forced on an active session.

use leptos::prelude::*;
use leptos_use::{UseServiceWorkerOptions, UseServiceWorkerReturn, use_service_worker_with_options};

use crate::chats::Chats;
use crate::client::{Client, EngineState};
use crate::i18n::tr;

/// Offers a new version. If nothing could be lost, it is installed at once.
#[component]
pub(crate) fn Updates() -> impl IntoView {
    let Some(is_first_visit) = is_first_visit() else { return ().into_any() };
    // Whether installation of the new version was requested.
    let is_requested = StoredValue::new(false);
    let options = UseServiceWorkerOptions::default()
        .script_url("service-worker.js")
        .skip_waiting_message("skipWaiting")
        // On a first visit, the service worker has cached the version that is already open.
        .on_controller_change(move || {
            // The chat page may have been disposed by then.
            if !is_first_visit || is_requested.try_get_value() == Some(true) {
                let _ = window().location().reload();
            }
        });
    let UseServiceWorkerReturn { waiting, skip_waiting, .. } = use_service_worker_with_options(options);
    let client = expect_context::<Client>();
    let chats = expect_context::<Chats>();
    let install = move || {
        is_requested.set_value(true);
        skip_waiting();
    };
    let auto_install = install.clone();
    Effect::new(move |_| {
        let is_idle = matches!(client.engine().get_untracked(), EngineState::Empty);
        if waiting.get() && is_idle && chats.branch().read_untracked().is_empty() {
            auto_install();
        }
    });
    let install = StoredValue::new(install);
    view! {
        <Show when=move || waiting.get()>
            <div class="notice-bar" role="status" data-testid="update">
                <p>{tr("new-version")}</p>
                <button on:click=move |_| install.with_value(|install| install())>{tr("reload")}</button>
            </div>
        </Show>
    }
    .into_any()
}

/// Whether no service worker controls this page yet; `None` if service workers are unavailable, as on plain HTTP.
fn is_first_visit() -> Option<bool> {
    let container = js_sys::Reflect::get(&window().navigator(), &"serviceWorker".into()).ok()?;
    if container.is_undefined() {
        return None;
    }
    let controller = js_sys::Reflect::get(&container, &"controller".into()).ok()?;
    Some(controller.is_null() || controller.is_undefined())
}

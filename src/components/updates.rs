//! The service worker: registered once the page stands; a newer version of the app is offered, never forced.

use leptos::prelude::*;
use leptos_use::{UseServiceWorkerOptions, UseServiceWorkerReturn, use_service_worker_with_options};

use crate::chats::Chats;
use crate::client::{Client, EngineState};
use crate::i18n::tr;

/// Offers a newer version. Where nothing could be lost, it is taken at once.
#[component]
pub(crate) fn Updates() -> impl IntoView {
    let Some(is_first_visit) = is_first_visit() else { return ().into_any() };
    // Whether the newer version was asked for.
    let is_taken = StoredValue::new(false);
    let options = UseServiceWorkerOptions::default()
        .script_url("service-worker.js")
        .skip_waiting_message("skipWaiting")
        // On a first visit the page that stands is the one that the worker keeps.
        .on_controller_change(move || {
            // The chat page may have been left by then.
            if !is_first_visit || is_taken.try_get_value() == Some(true) {
                let _ = window().location().reload();
            }
        });
    let UseServiceWorkerReturn { waiting, skip_waiting, .. } = use_service_worker_with_options(options);
    let client = expect_context::<Client>();
    let chats = expect_context::<Chats>();
    let take = move || {
        is_taken.set_value(true);
        skip_waiting();
    };
    let take_by_itself = take.clone();
    Effect::new(move |_| {
        let is_idle = matches!(client.engine().get_untracked(), EngineState::Empty);
        if waiting.get() && is_idle && chats.branch().read_untracked().is_empty() {
            take_by_itself();
        }
    });
    let take = StoredValue::new(take);
    view! {
        <Show when=move || waiting.get()>
            <div class="notice-bar" role="status" data-testid="update">
                <p>{tr("new-version")}</p>
                <button on:click=move |_| take.with_value(|take| take())>{tr("reload")}</button>
            </div>
        </Show>
    }
    .into_any()
}

/// Whether no service worker serves this page yet; `None` where there are none, as on plain HTTP.
fn is_first_visit() -> Option<bool> {
    let container = js_sys::Reflect::get(&window().navigator(), &"serviceWorker".into()).ok()?;
    if container.is_undefined() {
        return None;
    }
    let controller = js_sys::Reflect::get(&container, &"controller".into()).ok()?;
    Some(controller.is_null() || controller.is_undefined())
}

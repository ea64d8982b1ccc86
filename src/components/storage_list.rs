//! The models kept on this device.

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use parlance_protocol::{ModelSource, StorageInfo, StoredModel};

use super::units;
use crate::client::Client;

/// Kept models, those used last first, and the room that is left.
#[component]
pub(crate) fn StorageList(storage: StorageInfo) -> impl IntoView {
    let room = format!(
        "{} of {} that the browser gives this site are used.",
        units::bytes(storage.used_bytes),
        units::bytes(storage.quota_bytes)
    );
    let share = storage.used_bytes / storage.quota_bytes.max(1.0);
    let empty = storage
        .models
        .is_empty()
        .then(|| view! { <p class="empty">"No model is kept here yet. The first one that you load will be."</p> });
    view! {
        <section data-testid="storage">
            <p>{room}</p>
            <div class="bar" aria-hidden="true">
                <div class="bar-fill" style:transform=format!("scaleX({share:.4})")></div>
            </div>
            {empty}
            <ul class="stored-models">
                {storage.models.into_iter().map(|model| view! { <StoredModelView model /> }).collect_view()}
            </ul>
        </section>
    }
}

/// One kept model, and what can be done with it.
#[component]
fn StoredModelView(model: StoredModel) -> impl IntoView {
    let client = expect_context::<Client>();
    let navigate = use_navigate();
    let is_complete = model.done_bytes >= model.len_bytes;
    let size = if is_complete {
        units::bytes(model.len_bytes)
    } else {
        format!("{} of {}; loading it completes it", units::bytes(model.done_bytes), units::bytes(model.len_bytes))
    };
    let used = if model.used_seconds > 0.0 {
        format!("used {} ago", units::duration((js_sys::Date::now() / 1000.0 - model.used_seconds).max(0.0)))
    } else {
        "never used".to_owned()
    };
    let url = StoredValue::new(model.url.clone());
    let load = move |_| {
        client.load(ModelSource::Url { url: url.get_value() }, Vec::new(), None);
        navigate("/", NavigateOptions::default());
    };
    let is_verifying = RwSignal::new(false);
    let verify = move |_| {
        is_verifying.set(true);
        client.verify_stored(url.get_value());
    };
    let verdict = move || match client.verified().read().get(&*url.read_value()) {
        Some(true) => Some("It is intact."),
        Some(false) => Some("It is damaged. Delete it and load it again."),
        None => is_verifying.get().then_some("Reading it…"),
    };
    let asks = RwSignal::new(false);
    let delete = move |_| client.delete_stored(url.get_value());
    view! {
        <li class="stored-model">
            <h2>{model.name}</h2>
            <p>
                {size} " · " {used} {model.is_verified.then_some(" · checksum verified")}
            </p>
            <p class="source">{model.url}</p>
            <div class="actions">
                <button on:click=load>"Load"</button>
                <button on:click=verify disabled=!is_complete>"Verify"</button>
                <Show
                    when=move || asks.get()
                    fallback=move || view! { <button on:click=move |_| asks.set(true)>"Delete"</button> }
                >
                    <button class="danger" on:click=delete>"Delete for good"</button>
                    <button on:click=move |_| asks.set(false)>"Cancel"</button>
                </Show>
            </div>
            <p role="status" class="verdict">{verdict}</p>
        </li>
    }
}

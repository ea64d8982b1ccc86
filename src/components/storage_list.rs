//! The list of downloaded models.

use leptos::prelude::*;
use parlance_protocol::{StorageInfo, StoredModel};

use super::delete_button::DeleteButton;
use super::navigation::use_go_to_chat;
use super::units;
use crate::client::Client;
use crate::i18n::{t, tf, tr};
use crate::library::Library;
use crate::names::chosen;

/// Downloaded models, most recently used first, and the storage used.
#[component]
pub(crate) fn StorageList(storage: StorageInfo) -> impl IntoView {
    let sizes =
        [("used", units::bytes(storage.used_bytes).into()), ("quota", units::bytes(storage.quota_bytes).into())];
    let used = tf("storage-used", sizes);
    let library = expect_context::<Library>();
    let images = LocalResource::new(move || library.count_images());
    let images = move || match images.get() {
        Some(Ok((count, len_bytes))) if count > 0 => {
            let size = units::bytes(len_bytes);
            Some(tf("images-stored", [("count", count.into()), ("size", size.into())]))
        }
        _ => None,
    };
    let share = storage.used_bytes / storage.quota_bytes.max(1.0);
    let empty = storage.models.is_empty().then(|| view! { <p class="empty">{tr("no-downloaded-models")}</p> });
    view! {
        <section data-testid="storage">
            <p>{used}</p>
            <p data-testid="images-stored">{images}</p>
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

/// A downloaded model with its actions.
#[component]
fn StoredModelView(model: StoredModel) -> impl IntoView {
    let client = expect_context::<Client>();
    let go = use_go_to_chat();
    let is_complete = model.done_bytes >= model.len_bytes;
    let size = if is_complete {
        units::bytes(model.len_bytes)
    } else {
        let sizes = [("done", units::bytes(model.done_bytes).into()), ("total", units::bytes(model.len_bytes).into())];
        tf("download-incomplete", sizes)
    };
    let used = if model.used_seconds > 0.0 {
        let ago = (js_sys::Date::now() / 1000.0 - model.used_seconds).max(0.0);
        tf("used-ago", [("time", units::duration(ago).into())])
    } else {
        t("never-used")
    };
    let url = StoredValue::new(model.url.clone());
    let choice = StoredValue::new(chosen(&model));
    let load = move |_| {
        client.load_chosen(&choice.get_value());
        go(None);
    };
    let is_verifying = RwSignal::new(false);
    let verify = move |_| {
        is_verifying.set(true);
        client.verify_stored(url.get_value());
    };
    let result = move || match client.verified().read().get(&*url.read_value()) {
        Some(true) => Some(t("file-intact")),
        Some(false) => Some(t("file-damaged")),
        None => is_verifying.get().then(|| t("verifying")),
    };
    let is_confirming = RwSignal::new(false);
    let delete = move || client.delete_stored(url.get_value());
    view! {
        <li class="stored-model">
            <h2>{model.name}</h2>
            <p>
                {size} " · " {used} {model.is_projector.then(|| format!(" · {}", t("projector")))} {model.is_verified.then(|| format!(" · {}", t("checksum-verified")))}
            </p>
            <p class="source">{model.url}</p>
            <div class="actions">
                {(!model.is_projector)
                    .then(|| view! { <button on:click=load>{tr(if is_complete { "load" } else { "resume" })}</button> })}
                <button on:click=verify disabled=!is_complete>{tr("verify")}</button>
                <DeleteButton label="delete" is_confirming on_confirm=delete />
            </div>
            <p role="status" class="verification">{result}</p>
        </li>
    }
}

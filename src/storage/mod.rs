//! What stays on this device between visits.

use leptos::prelude::window;
use leptos::wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

/// Set once the user has agreed to load a model.
const AGREED_KEY: &str = "parlance.agreed";

/// What is being written where no conversation has begun.
const DRAFT_KEY: &str = "parlance.draft";

/// The model of the address that the user has agreed to load, for as long as the tab is open.
const LINK_KEY: &str = "parlance.link";

/// What `localStorage` holds under a key. Nothing where the browser gives no storage (blocked, private mode).
pub(crate) fn read(key: &str) -> Option<String> {
    window().local_storage().ok().flatten()?.get_item(key).ok().flatten()
}

/// Keeps a text under a key. Without storage it lasts as long as the page.
pub(crate) fn write(key: &str, text: &str) {
    if let Ok(Some(storage)) = window().local_storage() {
        let _ = storage.set_item(key, text);
    }
}

/// What was being written where no conversation has begun.
pub(crate) fn new_chat_draft() -> String {
    read(DRAFT_KEY).unwrap_or_default()
}

/// Keeps it.
pub(crate) fn set_new_chat_draft(draft: &str) {
    write(DRAFT_KEY, draft);
}

/// Whether the user has agreed to load models on this device. Without storage the page asks on each visit.
pub(crate) fn has_agreed_to_load() -> bool {
    read(AGREED_KEY).is_some()
}

/// Remembers that the user agreed to load models on this device.
pub(crate) fn agree_to_load() {
    if !has_agreed_to_load() {
        leptos::task::spawn_local(async {
            persist().await;
        });
    }
    write(AGREED_KEY, "1");
}

/// The address of the linked model that the user has agreed to load in this tab.
pub(crate) fn agreed_link() -> Option<String> {
    window().session_storage().ok().flatten()?.get_item(LINK_KEY).ok().flatten()
}

/// Remembers that the user agreed to load a linked model in this tab. Without storage the page asks each time that it is opened.
pub(crate) fn agree_to_link(url: &str) {
    if let Ok(Some(storage)) = window().session_storage() {
        let _ = storage.set_item(LINK_KEY, url);
    }
}

/// Whether the browser keeps this site's files until the user deletes them.
pub(crate) async fn is_persisted() -> bool {
    let Ok(answer) = window().navigator().storage().persisted() else { return false };
    JsFuture::from(answer).await.is_ok_and(|answer| answer.is_truthy())
}

/// Asks the browser to keep this site's files until the user deletes them. It may ask the user, or refuse.
pub(crate) async fn persist() -> bool {
    let Ok(answer) = window().navigator().storage().persist() else { return false };
    JsFuture::from(answer).await.is_ok_and(|answer: JsValue| answer.is_truthy())
}

//! What stays on this device between visits.

use leptos::prelude::window;
use leptos::wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

/// Set once the user has agreed to load a model.
const AGREED_KEY: &str = "parlance.agreed";

/// What is being written where no conversation has begun.
const DRAFT_KEY: &str = "parlance.draft";

/// What was being written where no conversation has begun.
pub(crate) fn new_chat_draft() -> String {
    let storage = window().local_storage().ok().flatten();
    storage.and_then(|storage| storage.get_item(DRAFT_KEY).ok().flatten()).unwrap_or_default()
}

/// Keeps it.
pub(crate) fn set_new_chat_draft(draft: &str) {
    if let Ok(Some(storage)) = window().local_storage() {
        // Without storage the text lasts as long as the page.
        let _ = storage.set_item(DRAFT_KEY, draft);
    }
}

/// Whether the user has agreed to load models on this device.
pub(crate) fn has_agreed_to_load() -> bool {
    // Without storage (blocked, private mode) the page asks on each visit.
    let storage = window().local_storage().ok().flatten();
    storage.and_then(|storage| storage.get_item(AGREED_KEY).ok().flatten()).is_some()
}

/// Remembers that the user agreed to load models on this device.
pub(crate) fn agree_to_load() {
    if !has_agreed_to_load() {
        leptos::task::spawn_local(async {
            persist().await;
        });
    }
    if let Ok(Some(storage)) = window().local_storage() {
        // Nothing is lost if it cannot be remembered: the page asks again.
        let _ = storage.set_item(AGREED_KEY, "1");
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

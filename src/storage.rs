//! Small values kept in the browser's `localStorage` and `sessionStorage`, and storage persistence.

use leptos::prelude::window;
use leptos::wasm_bindgen::JsValue;
use parlance_protocol::library::ChatModel;
use wasm_bindgen_futures::JsFuture;

/// Set once the user has agreed to load a model.
const AGREED_KEY: &str = "parlance.agreed";

/// The draft of a conversation that has not been started.
const DRAFT_KEY: &str = "parlance.draft";

/// The linked model that the user has agreed to load in this tab.
const LINK_KEY: &str = "parlance.link";

/// The model that is being downloaded while another one answers.
const WANTED_KEY: &str = "parlance.wanted";

/// The model that is loaded when the page is opened, in place of the demo model.
const PREFERRED_KEY: &str = "parlance.preferred";

/// Reads a value from `localStorage`. `None` where the browser offers no storage (blocked, private mode).
pub(crate) fn read(key: &str) -> Option<String> {
    window().local_storage().ok().flatten()?.get_item(key).ok().flatten()
}

/// Writes a value to `localStorage`. Without storage it is lost when the page is closed.
pub(crate) fn write(key: &str, text: &str) {
    if let Ok(Some(storage)) = window().local_storage() {
        let _ = storage.set_item(key, text);
    }
}

/// The draft of a conversation that has not been started.
pub(crate) fn new_chat_draft() -> String {
    read(DRAFT_KEY).unwrap_or_default()
}

/// Saves that draft.
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

/// The model whose download has begun but not ended.
pub(crate) fn wanted_model() -> Option<ChatModel> {
    read_model(WANTED_KEY)
}

/// Notes that a model is being downloaded, or that none is.
pub(crate) fn want_model(model: Option<&ChatModel>) {
    write_model(WANTED_KEY, model);
}

/// The model to load when the page is opened.
pub(crate) fn preferred_model() -> Option<ChatModel> {
    read_model(PREFERRED_KEY)
}

/// Loads a model whenever the page is opened; the demo model if `None`.
pub(crate) fn prefer_model(model: Option<&ChatModel>) {
    write_model(PREFERRED_KEY, model);
}

fn read_model(key: &str) -> Option<ChatModel> {
    let model: ChatModel = serde_json::from_str(&read(key)?).ok()?;
    (!model.url.is_empty()).then_some(model)
}

fn write_model(key: &str, model: Option<&ChatModel>) {
    // Strings always serialise.
    write(key, &model.and_then(|model| serde_json::to_string(model).ok()).unwrap_or_default());
}

/// The URL of the linked model that the user has agreed to load in this tab.
pub(crate) fn agreed_link() -> Option<String> {
    window().session_storage().ok().flatten()?.get_item(LINK_KEY).ok().flatten()
}

/// Remembers that the user agreed to load a linked model in this tab. Without storage the page asks each time it is opened.
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

//! What stays on this device between visits.

use leptos::prelude::window;

/// Set once the user has agreed to load a model.
const AGREED_KEY: &str = "parlance.agreed";

/// Whether the user has agreed to load models on this device.
pub(crate) fn has_agreed_to_load() -> bool {
    // Without storage (blocked, private mode) the page asks on each visit.
    let storage = window().local_storage().ok().flatten();
    storage.and_then(|storage| storage.get_item(AGREED_KEY).ok().flatten()).is_some()
}

/// Remembers that the user agreed to load models on this device.
pub(crate) fn agree_to_load() {
    if let Ok(Some(storage)) = window().local_storage() {
        // Nothing is lost if it cannot be remembered: the page asks again.
        let _ = storage.set_item(AGREED_KEY, "1");
    }
}

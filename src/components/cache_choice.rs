//! How a conversation is kept in a GPU's memory.

use leptos::prelude::*;
use parlance_protocol::KvCache;

use crate::client::Client;
use crate::i18n::tr;
use crate::settings::SettingsContext;

/// A choice that is kept for later visits. A model that is ready is loaded again with what was chosen.
#[component]
pub(crate) fn CacheChoice() -> impl IntoView {
    let client = expect_context::<Client>();
    let settings = expect_context::<SettingsContext>().0;
    let change = move |event| {
        settings.write().kv_cache = if event_target_checked(&event) { KvCache::Q8 } else { KvCache::F16 };
        client.reconfigure();
    };
    view! {
        <label class="choice-label">
            <input
                type="checkbox"
                id="small-cache"
                checked=settings.read_untracked().kv_cache == KvCache::Q8
                on:change=change
            />
            {tr("small-cache")}
        </label>
    }
}

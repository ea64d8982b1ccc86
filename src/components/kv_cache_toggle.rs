//! The setting for KV cache quantisation.

use leptos::prelude::*;
use parlance_protocol::KvCache;

use crate::client::Client;
use crate::i18n::tr;
use crate::settings::SettingsContext;

/// A checkbox. Changing it reloads the ready model.
#[component]
pub(crate) fn KvCacheToggle() -> impl IntoView {
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
                id="kv-cache-quantization"
                checked=settings.read_untracked().kv_cache == KvCache::Q8
                on:change=change
            />
            {tr("kv-cache-quantization")}
        </label>
    }
}

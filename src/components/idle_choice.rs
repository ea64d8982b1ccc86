//! After which time without a request the model's memory is freed.

use leptos::prelude::*;

use crate::client::Client;
use crate::storage;

/// Minutes to choose from.
const MINUTES: [(u32, &str); 4] =
    [(0, "Never"), (5, "After 5 minutes"), (30, "After 30 minutes"), (120, "After 2 hours")];

/// A choice that is kept for later visits.
#[component]
pub(crate) fn IdleChoice() -> impl IntoView {
    let client = expect_context::<Client>();
    let chosen = storage::idle_minutes();
    let change = move |event| {
        let minutes = event_target_value(&event).parse().unwrap_or_default();
        storage::set_idle_minutes(minutes);
        client.configure();
    };
    let options = MINUTES.map(|(minutes, label)| {
        view! {
            <option value=minutes selected=minutes == chosen>
                {label}
            </option>
        }
    });
    view! {
        <div class="row">
            <label for="idle-minutes">"Free its memory when unused"</label>
            <select id="idle-minutes" on:change=change>
                {options}
            </select>
        </div>
    }
}

//! The setting for unloading idle models.

use leptos::prelude::*;

use super::units;
use crate::client::Client;
use crate::i18n::{t, tf, tr};
use crate::settings::SettingsContext;

/// Minutes to choose from.
const MINUTES: [u32; 4] = [0, 5, 30, 120];

/// A drop-down list.
#[component]
pub(crate) fn IdleUnloadSelect() -> impl IntoView {
    let client = expect_context::<Client>();
    let settings = expect_context::<SettingsContext>().0;
    let chosen = settings.read_untracked().idle_minutes;
    let change = move |event| {
        let minutes = event_target_value(&event).parse().unwrap_or_default();
        settings.write().idle_minutes = minutes;
        client.configure();
    };
    let options = MINUTES.map(|minutes| {
        let label = move || match minutes {
            0 => t("never"),
            minutes => tf("after-time", [("time", units::duration(f64::from(minutes) * 60.0).into())]),
        };
        view! {
            <option value=minutes selected=minutes == chosen>
                {label}
            </option>
        }
    });
    view! {
        <div class="row">
            <label for="idle-minutes">{tr("unload-when-idle")}</label>
            <select id="idle-minutes" on:change=change>
                {options}
            </select>
        </div>
    }
}

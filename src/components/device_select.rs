//! What models are computed on.

use leptos::prelude::*;
use parlance_protocol::DeviceChoice;

use crate::client::Client;
use crate::i18n::tr;
use crate::settings::SettingsContext;

/// The choices, with their names in the list and their texts.
const CHOICES: [(DeviceChoice, &str, &str); 3] = [
    (DeviceChoice::Auto, "auto", "compute-auto"),
    (DeviceChoice::Gpu, "gpu", "compute-gpu"),
    (DeviceChoice::Cpu, "cpu", "compute-cpu"),
];

/// A choice that is kept for later visits. A model that is ready is loaded again on what was chosen.
#[component]
pub(crate) fn DeviceSelect() -> impl IntoView {
    let client = expect_context::<Client>();
    let settings = expect_context::<SettingsContext>().0;
    let chosen = settings.read_untracked().device;
    let change = move |event| {
        let name = event_target_value(&event);
        if let Some((device, ..)) = CHOICES.into_iter().find(|(_, known, _)| *known == name) {
            settings.write().device = device;
            client.reconfigure();
        }
    };
    let options = CHOICES.map(|(device, name, label)| {
        view! {
            <option value=name selected=device == chosen>
                {tr(label)}
            </option>
        }
    });
    view! {
        <div class="row">
            <label for="compute-on">{tr("compute-on")}</label>
            <select id="compute-on" on:change=change>
                {options}
            </select>
        </div>
    }
}

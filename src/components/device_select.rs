//! The setting for the device that models run on.

use leptos::prelude::*;
use parlance_protocol::DeviceChoice;

use crate::client::Client;
use crate::i18n::tr;
use crate::settings::SettingsContext;

/// The choices with their option values and message ids.
const CHOICES: [(DeviceChoice, &str, &str); 3] = [
    (DeviceChoice::Auto, "auto", "device-auto"),
    (DeviceChoice::Gpu, "gpu", "device-gpu"),
    (DeviceChoice::Cpu, "cpu", "device-cpu"),
];

/// A drop-down list. Changing it reloads the ready model.
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
            <label for="compute-device">{tr("compute-device")}</label>
            <select id="compute-device" on:change=change>
                {options}
            </select>
        </div>
    }
}

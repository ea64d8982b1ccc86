//! Which browsers support WebGPU and how to enable it.

use leptos::prelude::*;

use crate::i18n::tr;

/// Browser, versions in which WebGPU is on by default, and the message id of advice for other versions.
const BROWSERS: [(&str, &str, &str); 3] = [
    ("Chrome and Edge", "113 (Windows, macOS, ChromeOS), 121 (Android 12)", "webgpu-chrome"),
    ("Safari", "26 (macOS, iOS, iPadOS)", "webgpu-safari"),
    ("Firefox", "141 (Windows), 145 (macOS)", "webgpu-firefox"),
];

/// A short guide for browsers without GPU access.
#[component]
pub(crate) fn WebGpuHelp() -> impl IntoView {
    let row = |(browser, versions, advice): (&'static str, &'static str, &'static str)| {
        view! {
            <li>
                <strong>{browser}</strong>
                " "
                {versions}
                ". "
                {tr(advice)}
            </li>
        }
    };
    view! {
        <div class="webgpu-help">
            <p>{tr("webgpu-intro")}</p>
            <ul>{BROWSERS.map(row)}</ul>
            <p>
                {tr("webgpu-hint")}
            </p>
        </div>
    }
}

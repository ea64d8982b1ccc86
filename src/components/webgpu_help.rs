//! Which browsers have WebGPU and how to enable it.

use leptos::prelude::*;

use crate::i18n::tr;

/// Browser, where WebGPU is on without further ado, and what to do elsewhere.
const BROWSERS: [(&str, &str, &str); 3] = [
    ("Chrome and Edge", "113 (Windows, macOS, ChromeOS), 121 (Android 12)", "webgpu-chrome"),
    ("Safari", "26 (macOS, iOS, iPadOS)", "webgpu-safari"),
    ("Firefox", "141 (Windows), 145 (macOS)", "webgpu-firefox"),
];

/// A short guide for people whose browser gives no GPU.
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

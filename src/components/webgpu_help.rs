//! Which browsers have WebGPU and how to enable it.

use leptos::prelude::*;

/// Browser, where WebGPU is on without further ado, and what to do elsewhere.
const BROWSERS: [(&str, &str, &str); 3] = [
    (
        "Chrome and Edge",
        "113 on Windows, macOS and ChromeOS; 121 on Android 12",
        "On Linux, update to 144 or later; if it is still off, open chrome://flags/#enable-unsafe-webgpu and enable it.",
    ),
    ("Safari", "26 on macOS, iOS and iPadOS", "Update the system: the browser comes with it."),
    (
        "Firefox",
        "141 on Windows; 145 on macOS with Apple silicon",
        "Elsewhere, open about:config and set dom.webgpu.enabled to true, or use Chrome.",
    ),
];

/// A short guide for people whose browser gives no GPU.
#[component]
pub(crate) fn WebGpuHelp() -> impl IntoView {
    let row = |(browser, versions, advice): (&'static str, &'static str, &'static str)| {
        view! {
            <li>
                <strong>{browser}</strong>
                " from version "
                {versions}
                ". "
                {advice}
            </li>
        }
    };
    view! {
        <div class="webgpu-help">
            <p>"Parlance computes on your GPU through WebGPU, which these browsers have:"</p>
            <ul>{BROWSERS.map(row)}</ul>
            <p>
                "If yours is among them, check that hardware acceleration is on in its settings, and that the page is opened over https or from localhost."
            </p>
        </div>
    }
}

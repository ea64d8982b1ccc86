//! Keyboard shortcuts, and the dialog that lists them.

use leptos::prelude::*;
use wasm_bindgen::JsCast as _;
use web_sys::{HtmlElement, KeyboardEvent};

use super::dialog::Dialog;
use super::focus::{focus, focus_composer};
use super::navigation::use_open_chat;
use crate::chats::Chats;
use crate::i18n::tr;

/// Keys, and message ids that describe what they do.
const SHORTCUTS: [(&str, &str); 9] = [
    ("?", "shortcut-help"),
    ("Ctrl K", "palette"),
    ("Ctrl Shift F", "shortcut-search"),
    ("Ctrl Shift O", "new-chat"),
    ("Ctrl Shift S", "shortcut-sidebar"),
    ("Ctrl Shift L", "select-model"),
    ("Esc", "shortcut-stop"),
    ("/", "shortcut-prompts"),
    ("Shift Enter", "shortcut-newline"),
];

/// Listens for shortcuts. `on_sidebar(true)` opens the sidebar, `on_sidebar(false)` toggles it; `on_model` opens the model dialog.
#[component]
pub(crate) fn Shortcuts(
    on_sidebar: impl Fn(bool) + Copy + Send + Sync + 'static,
    on_model: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let open_chat = use_open_chat();
    let is_shown = RwSignal::new(false);
    let on_key = move |event: KeyboardEvent| {
        let is_command = event.ctrl_key() || event.meta_key();
        let is_writing = is_writing(&event);
        match event.key().to_lowercase().as_str() {
            "?" if !is_writing => is_shown.set(true),
            "f" if is_command && event.shift_key() => {
                on_sidebar(true);
                focus("search");
            }
            "o" if is_command && event.shift_key() => open_chat(None),
            "s" if is_command && event.shift_key() => on_sidebar(false),
            "l" if is_command && event.shift_key() => on_model(),
            "escape" if chats.is_answering().get_untracked() => {
                chats.stop();
                focus_composer();
            }
            _ => return,
        }
        event.prevent_default();
    };
    let listener = window_event_listener(leptos::ev::keydown, on_key);
    on_cleanup(move || listener.remove());
    let rows = || {
        SHORTCUTS.map(|(keys, label)| {
            let keys = keys.split(' ').map(|key| view! { <kbd>{key}</kbd> }).collect_view();
            view! {
                <tr>
                    <td>{keys}</td>
                    <td>{tr(label)}</td>
                </tr>
            }
        })
    };
    let close = move || {
        is_shown.set(false);
        focus_composer();
    };
    view! {
        <Show when=move || is_shown.get()>
            <Dialog title="shortcuts" on_close=close>
                <table class="shortcuts">
                    <tbody>{rows()}</tbody>
                </table>
            </Dialog>
        </Show>
    }
}

/// Whether the key is typed into a field.
fn is_writing(event: &KeyboardEvent) -> bool {
    let target = event.target().and_then(|target| target.dyn_into::<HtmlElement>().ok());
    target.is_some_and(|target| ["INPUT", "TEXTAREA", "SELECT"].contains(&target.tag_name().as_str()))
}

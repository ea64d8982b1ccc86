//! A modal dialog with a title and a button that closes it.

use leptos::html;
use leptos::prelude::*;

use super::focus::element;
use super::icon_button::IconButton;
use crate::i18n::tr;

/// `title` is the key of its title. `on_close` takes it away.
#[component]
pub(crate) fn Dialog(
    title: &'static str,
    on_close: impl Fn() + Copy + Send + Sync + 'static,
    children: Children,
) -> impl IntoView {
    let dialog = NodeRef::<html::Dialog>::new();
    Effect::new(move |_| {
        if let Some(dialog) = dialog.get() {
            // Fails only if it is open already.
            let _ = dialog.show_modal();
        }
    });
    // Closed before it is taken away, so that the focus goes back to where it was.
    on_cleanup(move || {
        if let Some(dialog) = element(dialog) {
            dialog.close();
        }
    });
    // Told a moment later; another dialog may stand in its place by then.
    let on_closed = move |_| {
        if element(dialog).is_some() {
            on_close();
        }
    };
    let on_key = move |event: web_sys::KeyboardEvent| {
        if event.key() == "Escape" {
            // It is for this dialog, and stops no answer.
            event.stop_propagation();
        }
    };
    let id = format!("dialog-{title}");
    let labelled_by = id.clone();
    view! {
        <dialog class="dialog" node_ref=dialog aria-labelledby=labelled_by on:close=on_closed on:keydown=on_key>
            <header class="dialog-header">
                <h2 id=id>{tr(title)}</h2>
                <IconButton icon="close" label="close" on_press=on_close />
            </header>
            {children()}
        </dialog>
    }
}

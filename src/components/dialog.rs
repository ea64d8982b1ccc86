//! A modal dialog with a title and a button that closes it.

use leptos::html;
use leptos::prelude::*;

use super::focus::element;
use super::icon_button::IconButton;
use crate::i18n::tr;

/// `title` is the message id of the title. `on_close` has to remove the dialog.
#[component]
pub(crate) fn Dialog(
    title: &'static str,
    on_close: impl Fn() + Copy + Send + Sync + 'static,
    children: Children,
) -> impl IntoView {
    let dialog = NodeRef::<html::Dialog>::new();
    Effect::new(move |_| {
        if let Some(dialog) = dialog.get() {
            // Fails only if it is already open.
            let _ = dialog.show_modal();
        }
    });
    // Close it before removal, so that the focus returns to where it was.
    on_cleanup(move || {
        if let Some(dialog) = element(dialog) {
            dialog.close();
        }
    });
    // The event is delayed; the dialog may already have been replaced by another one.
    let on_closed = move |_| {
        if element(dialog).is_some() {
            on_close();
        }
    };
    let on_key = move |event: web_sys::KeyboardEvent| {
        if event.key() == "Escape" {
            // Must not stop an answer as well.
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

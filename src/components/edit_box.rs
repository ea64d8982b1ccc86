//! An editor for a message that was already sent.

use leptos::html::Textarea;
use leptos::prelude::*;
use web_sys::KeyboardEvent;

use crate::i18n::tr;

/// A field with the message's text. Sending it starts a new branch; Escape cancels.
#[component]
pub(crate) fn EditBox(
    text: String,
    on_save: impl Fn(String) + Copy + Send + 'static,
    on_cancel: impl Fn() + Copy + Send + 'static,
) -> impl IntoView {
    let draft = RwSignal::new(text);
    let field = NodeRef::<Textarea>::new();
    Effect::new(move |_| {
        if let Some(field) = field.get() {
            // A mounted field can be focused.
            let _ = field.focus();
        }
    });
    let save = move || {
        let text = draft.get_untracked().trim().to_owned();
        if !text.is_empty() {
            on_save(text);
        }
    };
    let on_key = move |event: KeyboardEvent| match event.key().as_str() {
        "Escape" => {
            // Must not stop an answer as well.
            event.stop_propagation();
            on_cancel();
        }
        "Enter" if !event.shift_key() && !event.is_composing() => {
            event.prevent_default();
            save();
        }
        _ => {}
    };
    view! {
        <form class="edit-box" on:submit=move |event| { event.prevent_default(); save(); }>
            <div class="autogrow" data-copy=move || format!("{}\n", draft.get())>
                <textarea
                    node_ref=field
                    aria-label=tr("edit-message")
                    dir="auto"
                    prop:value=draft
                    on:input:target=move |event| draft.set(event.target().value())
                    on:keydown=on_key
                ></textarea>
            </div>
            <div class="actions">
                <button type="button" on:click=move |_| on_cancel()>{tr("cancel")}</button>
                <button type="submit" class="primary">{tr("send")}</button>
            </div>
        </form>
    }
}

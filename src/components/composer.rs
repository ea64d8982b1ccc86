//! Where the user writes.

use leptos::html::Textarea;
use leptos::prelude::*;
use web_sys::KeyboardEvent;

use super::icons::{SendIcon, StopIcon};
use crate::client::Client;
use crate::storage;

/// A text field that grows with its text, and a button that sends, or stops the answer under way.
#[component]
pub(crate) fn Composer() -> impl IntoView {
    let client = expect_context::<Client>();
    let is_answering = client.is_answering();
    let draft = RwSignal::new(String::new());
    let field = NodeRef::<Textarea>::new();
    let can_send = move || !is_answering.get() && !draft.read().trim().is_empty();
    let send = move || {
        if can_send() {
            // Sending is agreeing: the model that answers has to be loaded.
            storage::agree_to_load();
            client.ask(draft.get_untracked().trim().to_owned());
            draft.set(String::new());
        }
    };
    let on_key = move |event: KeyboardEvent| {
        // Enter also ends the composition of an input method; that must not send.
        if event.key() == "Enter" && !event.shift_key() && !event.is_composing() {
            event.prevent_default();
            send();
        }
    };
    Effect::new(move |_| {
        if let Some(field) = field.get() {
            // Without this the field starts unfocused; on phones focus would open the keyboard over the page.
            if window().match_media("(hover: hover)").ok().flatten().is_some_and(|query| query.matches()) {
                let _ = field.focus();
            }
        }
    });
    view! {
        <form class="composer" on:submit=move |event| { event.prevent_default(); send(); }>
            // The hidden copy gives the grid cell the height of the text.
            <div class="grow" data-copy=move || format!("{}\n", draft.get())>
                <textarea
                    node_ref=field
                    rows="1"
                    placeholder="Message"
                    aria-label="Message"
                    prop:value=draft
                    on:input:target=move |event| draft.set(event.target().value())
                    on:keydown=on_key
                ></textarea>
            </div>
            <Show
                when=move || is_answering.get()
                fallback=move || {
                    view! {
                        <button class="send" type="submit" title="Send" aria-label="Send" disabled=move || !can_send()>
                            <SendIcon />
                        </button>
                    }
                }
            >
                <button class="send" type="button" title="Stop" aria-label="Stop" on:click=move |_| client.stop()>
                    <StopIcon />
                </button>
            </Show>
        </form>
    }
}

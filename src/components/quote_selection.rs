//! A button that quotes what is selected in a message, in the composer.

use leptos::prelude::*;
use web_sys::Selection;

use super::focus::focus_composer;
use crate::chats::Chats;
use crate::i18n::tr;

/// The button; shown while words of a message are selected.
#[component]
pub(crate) fn QuoteSelection() -> impl IntoView {
    let draft = expect_context::<Chats>().draft();
    let selected = RwSignal::new(String::new());
    let update = move || selected.set(selected_text().unwrap_or_default());
    let by_mouse = window_event_listener(leptos::ev::mouseup, move |_| update());
    let by_touch = window_event_listener(leptos::ev::touchend, move |_| update());
    let by_keyboard = window_event_listener(leptos::ev::keyup, move |_| update());
    on_cleanup(move || {
        by_mouse.remove();
        by_touch.remove();
        by_keyboard.remove();
    });
    let quote = move |_| {
        draft.update(|draft| *draft = with_quotation(draft, &selected.get_untracked()));
        selected.set(String::new());
        if let Some(selection) = selection() {
            // Fails only for ranges of other documents.
            let _ = selection.remove_all_ranges();
        }
        focus_composer();
    };
    view! {
        <Show when=move || !selected.read().is_empty()>
            // Pressing it must not clear the selection, with which it would disappear before the click.
            <button
                type="button"
                class="quote-selection"
                data-testid="quote-selection"
                on:mousedown=|event| event.prevent_default()
                on:click=quote
            >
                {tr("quote-selection")}
            </button>
        </Show>
    }
}

fn selection() -> Option<Selection> {
    document().get_selection().ok().flatten()
}

/// The words that are selected in a message.
fn selected_text() -> Option<String> {
    let selection = selection()?;
    let message = selection.anchor_node()?.parent_element()?.closest(".message").ok().flatten();
    let text = selection.to_string().as_string()?;
    (message.is_some() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}

/// A draft with a quotation at its end, after which the user writes on.
fn with_quotation(draft: &str, text: &str) -> String {
    let before = if draft.trim().is_empty() { String::new() } else { format!("{}\n\n", draft.trim_end()) };
    let lines: Vec<String> = text.lines().map(|line| format!("> {line}").trim_end().to_owned()).collect();
    format!("{before}{}\n\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::with_quotation;

    #[wasm_bindgen_test]
    fn every_line_is_quoted() {
        assert_eq!(with_quotation("", "One\n\ntwo"), "> One\n>\n> two\n\n");
        assert_eq!(with_quotation("What is this?\n", "One"), "What is this?\n\n> One\n\n");
    }
}

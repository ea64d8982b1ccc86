//! A field that shows only the settings that are looked for.

use leptos::prelude::*;

use super::focus::found;
use crate::i18n::tr;

/// Hides the sections of the page that do not contain all words of what is typed, and unfolds options that do.
#[component]
pub(crate) fn SettingsSearch() -> impl IntoView {
    let has_none = RwSignal::new(false);
    let filter = move |query: String| {
        let Some(page) = document().query_selector("main.page").ok().flatten() else { return };
        let mut shown = 0;
        for section in found(&page, "section") {
            let is_found = matches(&section.text_content().unwrap_or_default(), &query);
            shown += usize::from(is_found);
            // A known attribute is accepted.
            let _ = section.toggle_attribute_with_force("hidden", !is_found);
            // What is looked for may be among options that are folded.
            if is_found && !query.trim().is_empty() {
                for folded in found(&section, "details") {
                    let is_inside = matches(&folded.text_content().unwrap_or_default(), &query);
                    let _ = folded.toggle_attribute_with_force("open", is_inside);
                }
            }
        }
        has_none.set(shown == 0);
    };
    view! {
        <input
            id="settings-search"
            type="search"
            placeholder=tr("search-settings")
            aria-label=tr("search-settings")
            on:input:target=move |event| filter(event.target().value())
        />
        <p role="status">{move || has_none.get().then(|| tr("no-settings-found"))}</p>
    }
}

/// Whether a text contains all words of a query, in any case.
fn matches(text: &str, query: &str) -> bool {
    let text = text.to_lowercase();
    query.to_lowercase().split_whitespace().all(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::matches;

    #[wasm_bindgen_test]
    fn all_words_must_be_there() {
        assert!(matches("Top P: Considers only the most likely tokens", "top TOKENS"));
        assert!(matches("Theme", "") && !matches("Theme", "theme dark"));
    }
}

//! A menu of the user's prompts, shown while a message starts with `/`.

use leptos::prelude::*;

use crate::settings::Snippet;

/// Maximum number of prompts shown.
const MAX_SHOWN: usize = 8;

/// The prompts whose names start with the text after the slash.
pub(crate) fn matching(prompts: &[Snippet], draft: &str) -> Vec<Snippet> {
    let Some(prefix) = draft.strip_prefix('/').filter(|prefix| !prefix.contains(char::is_whitespace)) else {
        return Vec::new();
    };
    let prefix = prefix.to_lowercase();
    prompts.iter().filter(|prompt| prompt.name.to_lowercase().starts_with(&prefix)).take(MAX_SHOWN).cloned().collect()
}

/// The range of the first `{{placeholder}}` in a text, in UTF-16 code units, as text fields count.
pub(crate) fn placeholder(text: &str) -> Option<(u32, u32)> {
    let start = text.find("{{")?;
    let end = start + text[start..].find("}}")? + 2;
    let units = |text: &str| text.encode_utf16().count() as u32;
    Some((units(&text[..start]), units(&text[..end])))
}

/// The menu above the composer, if any prompt matches.
#[component]
pub(crate) fn PromptMenu(
    prompts: Signal<Vec<Snippet>>,
    chosen: RwSignal<usize>,
    on_choose: impl Fn(String) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let one = move |(index, Snippet { name, text }): (usize, Snippet)| {
        let insert = text.clone();
        view! {
            <button
                type="button"
                class="prompt"
                aria-current=move || (chosen.get() == index).to_string()
                on:click=move |_| on_choose(insert.clone())
            >
                <strong>"/" {name}</strong>
                <span>{text}</span>
            </button>
        }
    };
    view! {
        <Show when=move || !prompts.read().is_empty()>
            <div class="prompt-menu">{move || prompts.get().into_iter().enumerate().map(one).collect_view()}</div>
        </Show>
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn prompts_are_matched_by_prefix() {
        let prompts =
            ["Summarise", "shorten", "Translate"].map(|name| Snippet { name: name.to_owned(), ..Snippet::default() });
        let names = |draft: &str| matching(&prompts, draft).into_iter().map(|prompt| prompt.name).collect::<Vec<_>>();
        assert_eq!(names("/s"), ["Summarise", "shorten"]);
        assert_eq!(names("/TR"), ["Translate"]);
        assert!(names("s").is_empty() && names("/s x").is_empty());
        assert_eq!(names("/").len(), 3);
    }

    #[wasm_bindgen_test]
    fn placeholders_are_found() {
        assert_eq!(placeholder("Übersetze 🦦 nach {{language}}: {{text}}"), Some((18, 30)));
        assert_eq!(placeholder("nothing {{ here"), None);
    }
}

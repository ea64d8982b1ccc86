//! Growing text. A token costs one append to a text node, however long the text is.

use leptos::html::Div;
use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast as _;
use web_sys::Text;

/// Shows `text`, to which text may only be appended.
#[component]
pub(crate) fn StreamedText(text: Signal<String>) -> impl IntoView {
    let place = NodeRef::<Div>::new();
    Effect::new(move |shown_bytes: Option<usize>| {
        let shown_bytes = shown_bytes.unwrap_or_default();
        let Some(place) = place.get() else { return 0 };
        text.with(|text| {
            let added = text.get(shown_bytes..).unwrap_or_default();
            if !added.is_empty() {
                // The framework puts comment nodes into empty elements, so the last child may not be text.
                let existing = place.last_child().and_then(|node| node.dyn_into::<Text>().ok());
                let node = existing.unwrap_or_else(|| {
                    let node = document().create_text_node("");
                    // Appending a new node does not fail.
                    let _ = place.append_child(&node);
                    node
                });
                let _ = node.append_data(added);
            }
            text.len()
        })
    });
    view! { <div class="text" node_ref=place></div> }
}

//! References to sources, such as `[1]`, in the HTML of an answer: each becomes a button that opens the source.

use std::ops::Range;

use leptos::prelude::*;
use wasm_bindgen::JsCast as _;
use web_sys::{Element, MouseEvent, Node, Text};

/// Elements whose text is not prose.
const LEFT_OUT: [&str; 5] = ["A", "BUTTON", "CODE", "PRE", "math"];

/// Makes buttons of the references under `place` to sources with the numbers 1 to `sources`.
pub(crate) fn add(place: &Element, sources: usize) {
    if sources == 0 {
        return;
    }
    for text in texts(place) {
        let mut rest = Some(text);
        while let Some(text) = rest {
            // Splitting a text and inserting an element does not fail.
            rest = replace_first(&text, sources);
        }
    }
}

/// The texts under an element, in order.
fn texts(place: &Element) -> Vec<Text> {
    let mut texts = Vec::new();
    let mut nodes: Vec<Node> = vec![place.clone().into()];
    while let Some(node) = nodes.pop() {
        match node.dyn_into::<Text>() {
            Ok(text) => texts.push(text),
            Err(node) if LEFT_OUT.contains(&node.node_name().as_str()) => {}
            Err(node) => {
                let children = node.child_nodes();
                nodes.extend((0..children.length()).rev().filter_map(|index| children.get(index)));
            }
        }
    }
    texts
}

/// Replaces the first reference in a text by a button. Returns the text after it.
fn replace_first(text: &Text, sources: usize) -> Option<Text> {
    let content = text.data();
    let (range, number) = reference(&content, sources)?;
    // The browser counts in units of UTF-16.
    let units = |text: &str| text.encode_utf16().count() as u32;
    let found = text.split_text(units(&content[..range.start])).ok()?;
    let rest = found.split_text(units(&content[range])).ok()?;
    let button = document().create_element("button").ok()?;
    button.set_class_name("citation");
    button.set_attribute("type", "button").ok()?;
    button.set_attribute("data-source", &number.to_string()).ok()?;
    button.set_text_content(Some(&format!("[{number}]")));
    found.parent_node()?.replace_child(&button, &found).ok()?;
    Some(rest)
}

/// The first reference to one of the sources, with its number.
fn reference(text: &str, sources: usize) -> Option<(Range<usize>, usize)> {
    text.match_indices('[').find_map(|(start, _)| {
        let (number, _) = text[start + 1..].split_once(']')?;
        let end = start + number.len() + 2;
        let number = number.parse().ok().filter(|number| (1..=sources).contains(number))?;
        Some((start..end, number))
    })
}

/// The number of the source whose button was clicked.
pub(crate) fn clicked(event: &MouseEvent) -> Option<usize> {
    let target = event.target()?.dyn_into::<Element>().ok()?;
    target.closest("[data-source]").ok()??.get_attribute("data-source")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn references_to_known_sources_are_found() {
        assert_eq!(reference("See [2].", 2), Some((4..7, 2)));
        assert_eq!(reference("[x] and [1]", 2), Some((8..11, 1)));
        for text in ["[3]", "[0]", "[-1]", "[1", "[]", "1"] {
            assert_eq!(reference(text, 2), None, "{text}");
        }
    }
}

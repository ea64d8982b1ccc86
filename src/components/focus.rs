//! Access to the elements of views, and keyboard focus.

use leptos::html::ElementType;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

/// The element id of the composer's field.
pub(crate) const COMPOSER: &str = "message";

/// The element of a view; `None` once the view has been disposed.
///
/// Event handlers have to use this, because events may arrive after that: removing an element blurs it, and a file may be chosen after its
/// field is gone. The view's signals are disposed by then, and `get_untracked` would panic.
pub(crate) fn element<E>(place: NodeRef<E>) -> Option<E::Output>
where
    E: ElementType,
    E::Output: JsCast + Clone + 'static,
{
    place.try_get_untracked().flatten()
}

/// The elements under `place` that match a selector.
pub(crate) fn found(place: &Element, selector: &str) -> Vec<Element> {
    let Ok(nodes) = place.query_selector_all(selector) else { return Vec::new() };
    (0..nodes.length()).filter_map(|index| nodes.get(index)?.dyn_into::<Element>().ok()).collect()
}

/// Focuses an element.
pub(crate) fn focus(id: &str) {
    let element = document().get_element_by_id(id).and_then(|element| element.dyn_into::<HtmlElement>().ok());
    if let Some(element) = element {
        // A mounted element can be focused.
        let _ = element.focus();
    }
}

/// Focuses the composer in the next frame, after pending changes of the view. Does nothing on touch screens, where it would open the
/// on-screen keyboard.
pub(crate) fn focus_composer() {
    let is_touched = window().match_media("(pointer: coarse)").ok().flatten().is_some_and(|query| query.matches());
    if !is_touched {
        request_animation_frame(|| focus(COMPOSER));
    }
}

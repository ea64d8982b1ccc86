//! The elements of views, and where the keyboard's focus goes.

use leptos::html::ElementType;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

/// The composer's field.
pub(crate) const COMPOSER: &str = "message";

/// The element of a view, as long as the view is there.
///
/// Events come later than that, too: an element that is taken away loses the focus, and a file may be chosen after its field is gone. The
/// view's signals are disposed by then, and `get_untracked` would panic.
pub(crate) fn element<E>(place: NodeRef<E>) -> Option<E::Output>
where
    E: ElementType,
    E::Output: JsCast + Clone + 'static,
{
    place.try_get_untracked().flatten()
}

/// Gives an element the focus.
pub(crate) fn focus(id: &str) {
    let element = document().get_element_by_id(id).and_then(|element| element.dyn_into::<HtmlElement>().ok());
    if let Some(element) = element {
        // A field that is on screen takes the focus.
        let _ = element.focus();
    }
}

/// Gives the composer the focus in the next frame, when what comes or goes has done so. Not where a finger points: there focus would open the
/// keyboard over the page.
pub(crate) fn focus_composer() {
    let is_touched = window().match_media("(pointer: coarse)").ok().flatten().is_some_and(|query| query.matches());
    if !is_touched {
        request_animation_frame(|| focus(COMPOSER));
    }
}

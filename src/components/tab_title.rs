//! What the browser's tab and history call the page.

use leptos::prelude::*;

/// Names the tab after what is on screen; without a name, after the app.
pub(crate) fn name_tab(name: impl Fn() -> String + 'static) {
    Effect::new(move |_| {
        let name = name();
        document().set_title(&if name.is_empty() { "Parlance".to_owned() } else { format!("{name} – Parlance") });
    });
}

//! The title of the browser tab.

use leptos::prelude::*;

/// Sets the tab's title to a name and the app's name, or to the app's name alone if the name is empty.
pub(crate) fn set_tab_title(name: impl Fn() -> String + 'static) {
    Effect::new(move |_| {
        let name = name();
        document().set_title(&if name.is_empty() { "Parlance".to_owned() } else { format!("{name} – Parlance") });
    });
}

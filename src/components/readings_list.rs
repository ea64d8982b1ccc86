//! The documents that are being read, each with its progress and a button that stops it.

use leptos::prelude::*;

use super::icon_button::IconButton;
use super::units;
use crate::documents::{Reading, Readings};
use crate::i18n::tf;

/// Empty while nothing is read.
#[component]
pub(crate) fn ReadingsList(readings: Readings) -> impl IntoView {
    let files = readings.files();
    let one = |reading: Reading| {
        let percent = units::decimal((reading.share * 100.0).floor(), 0);
        let text = tf("reading-document", [("name", reading.name.as_str().into()), ("percent", percent.into())]);
        view! {
            <span class="reading">
                {text} <IconButton icon="close" label="stop" on_press=move || reading.stop() />
            </span>
        }
    };
    view! {
        <Show when=move || !files.read().is_empty()>
            <div class="attachments">{move || files.get().into_iter().map(one).collect_view()}</div>
        </Show>
    }
}

//! A source of an answer in its file: the part that it is in, with the passage marked.

use std::ops::Range;

use leptos::html::Mark;
use leptos::prelude::*;
use parlance_protocol::library::Attachment;

use super::dialog::Dialog;
use super::focus::element;
use crate::documents::place_name;

/// How much of the file is shown before and after the passage, in bytes.
const AROUND_BYTES: usize = 20_000;

/// `passage` is shown in `file`, if that is there, or else alone.
#[component]
pub(crate) fn SourceDialog(
    passage: Attachment,
    file: Option<Attachment>,
    on_close: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let mark = NodeRef::<Mark>::new();
    Effect::new(move |_| {
        if mark.get().is_some() {
            // After the dialog was opened.
            request_animation_frame(move || {
                if let Some(mark) = element(mark) {
                    mark.scroll_into_view();
                }
            });
        }
    });
    let place = passage.sections.first().map(|section| section.place.clone());
    let Excerpt { before, passage: marked, after } = Excerpt::of(&passage, file.as_ref());
    let heading = move || match &place {
        Some(place) => format!("{}, {}", passage.name, place_name(place)),
        None => passage.name.clone(),
    };
    view! {
        <Dialog title="source" on_close>
            <p class="source-place" dir="auto">
                <strong>{heading}</strong>
            </p>
            <div class="source-text" dir="auto" tabindex="0">
                {before}
                <mark node_ref=mark>{marked}</mark>
                {after}
            </div>
        </Dialog>
    }
}

/// A passage with what is around it.
#[derive(Debug, PartialEq)]
struct Excerpt {
    before: String,
    passage: String,
    after: String,
}

impl Excerpt {
    fn of(passage: &Attachment, file: Option<&Attachment>) -> Self {
        let place = passage.sections.first().map(|section| &section.place);
        let parts = file.map(Attachment::parts).unwrap_or_default();
        let found = parts.into_iter().filter(|(known, _)| place.is_none() || *known == place).find_map(|(_, text)| {
            let range = locate(text, &passage.text)?;
            let start = boundary(text, range.start.saturating_sub(AROUND_BYTES));
            let end = boundary(text, range.end + AROUND_BYTES);
            let cut = |range: Range<usize>| text[range].to_owned();
            Some(Self { before: cut(start..range.start), passage: cut(range.clone()), after: cut(range.end..end) })
        });
        found.unwrap_or_else(|| Self { before: String::new(), passage: passage.text.clone(), after: String::new() })
    }
}

/// Where a passage is in a text: its blocks follow each other, whatever is between them.
fn locate(text: &str, passage: &str) -> Option<Range<usize>> {
    let mut range: Option<Range<usize>> = None;
    for block in passage.split("\n\n").filter(|block| !block.is_empty()) {
        let from = range.as_ref().map_or(0, |range| range.end);
        let start = from + text[from..].find(block)?;
        range = Some(range.map_or(start, |range| range.start)..start + block.len());
    }
    range
}

/// The nearest place at or before `at` where the text can be cut.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use parlance_protocol::documents::{Document, Place, Section, SectionKind};
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn passages_are_shown_in_their_part_of_the_file() {
        let section = |number, text: &str| Section {
            place: Place { kind: SectionKind::Page, number, name: String::new() },
            text: text.to_owned(),
        };
        let sections = vec![section(1, "Same.\n\n\nOther."), section(2, "Grün. Same.\n\n\nOther. End.")];
        let file = Attachment::of_document("a.pdf", Document { sections, ..Document::default() });
        let place = file.sections[1].place.clone();
        let passage = file.passage(Some(&place), "Same.\n\nOther.".to_owned());
        let excerpt = Excerpt::of(&passage, Some(&file));
        let parts = [excerpt.before.as_str(), excerpt.passage.as_str(), excerpt.after.as_str()];
        assert_eq!(parts, ["Grün. ", "Same.\n\n\nOther.", " End."]);
        // Of a file that has changed, or is gone.
        let gone = file.passage(Some(&place), "Gone.".to_owned());
        for file in [Some(&file), None] {
            assert_eq!(Excerpt::of(&gone, file).passage, "Gone.");
        }
        assert_eq!(boundary("Grün", 3), 2);
    }
}

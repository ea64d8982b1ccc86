//! A text with the words that were searched for.

use leptos::prelude::*;
use parlance_protocol::library::Piece;

/// The pieces of the text one after another, the matches marked.
#[component]
pub(crate) fn Marked(pieces: Vec<Piece>) -> impl IntoView {
    let one = |piece: Piece| {
        if piece.is_match { view! { <mark>{piece.text}</mark> }.into_any() } else { piece.text.into_any() }
    };
    pieces.into_iter().map(one).collect_view()
}

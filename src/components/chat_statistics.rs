//! How much the model read and wrote in a chat, and how fast.

use leptos::prelude::*;

use super::units;
use crate::chats::{Chats, Statistics};
use crate::i18n::{tf, tr};

/// Statistics of the messages on screen. Nothing if there are none.
#[component]
pub(crate) fn ChatStatistics() -> impl IntoView {
    let chats = expect_context::<Chats>();
    let statistics = Memo::new(move |_| chats.statistics());
    let row = |(label, value): (&'static str, String)| {
        view! {
            <li>
                <span>{tr(label)}</span>
                <span>{value}</span>
            </li>
        }
    };
    let list = move || rows(&statistics.get()).into_iter().map(row).collect_view();
    view! {
        <Show when=move || { statistics.read().messages > 0 }>
            <section data-testid="chat-statistics">
                <h2>{tr("chat-statistics")}</h2>
                <ul>{list}</ul>
            </section>
        </Show>
    }
}

/// The numbers that are known, with the message ids of their names.
fn rows(statistics: &Statistics) -> Vec<(&'static str, String)> {
    let mut rows = vec![("context-messages", units::count(statistics.messages as f64))];
    let tokens = [
        ("statistics-read", statistics.read_tokens),
        ("statistics-cached", statistics.cached_tokens),
        ("statistics-written", statistics.written_tokens),
    ];
    rows.extend(tokens.into_iter().filter(|(_, count)| *count > 0.0).map(|(name, count)| (name, units::count(count))));
    if let Some(rate) = statistics.tokens_per_s() {
        rows.push(("statistics-time", units::duration(statistics.duration_s())));
        rows.push(("statistics-speed", tf("tokens-per-second", [("rate", units::rate(rate).into())])));
    }
    rows
}

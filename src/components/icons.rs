//! Icons on a 24 by 24 grid, in the text colour.

use leptos::prelude::*;

/// Icon names and path data.
const PATHS: [(&str, &str); 30] = [
    ("send", "M12 19V5M5 12l7-7 7 7"),
    ("stop", "M8 8h8v8H8z"),
    (
        "new-chat",
        "M12 4H6a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h12a2 2 0 0 0 2-2v-6M18.4 3.6a2 2 0 0 1 2.9 2.8L13 14.7 9 16l1.3-4z",
    ),
    (
        "sun",
        "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4",
    ),
    ("moon", "M20 14.5A8.5 8.5 0 1 1 9.5 4a7 7 0 0 0 10.5 10.5z"),
    ("down", "M6 9l6 6 6-6"),
    ("close", "M6 6l12 12M18 6L6 18"),
    ("menu", "M4 7h16M4 12h16M4 17h16"),
    ("search", "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l4 4"),
    ("pin", "M9 4h6l-1 7 4 3v2H6v-2l4-3zM12 16v5"),
    ("more", "M5 12h.01M12 12h.01M19 12h.01"),
    ("trash", "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5"),
    ("pen", "M4 20l1-5L16 4l4 4L9 19zM14 6l4 4"),
    ("copy", "M9 9h11v11H9zM5 15H4V4h11v1"),
    ("retry", "M20 5v5h-5M4 19v-5h5M19 10a8 8 0 0 0-14-3M5 14a8 8 0 0 0 14 3"),
    ("speaker", "M4 9v6h4l5 4V5L8 9zM16 9a4 4 0 0 1 0 6M18.5 6.5a8 8 0 0 1 0 11"),
    ("back", "M14 6l-6 6 6 6"),
    ("forward", "M10 6l6 6-6 6"),
    ("clip", "M20 11l-8.5 8.5a5 5 0 0 1-7-7L13 4a3.3 3.3 0 0 1 4.7 4.7L9.4 17a1.7 1.7 0 0 1-2.4-2.4L15 6.7"),
    ("camera", "M4 8h3l2-3h6l2 3h3v11H4zM12 10a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7z"),
    ("settings", "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4"),
    ("model", "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9"),
    (
        "disk",
        "M4 6c0-1.7 3.6-3 8-3s8 1.3 8 3-3.6 3-8 3-8-1.3-8-3zM4 6v12c0 1.7 3.6 3 8 3s8-1.3 8-3V6M4 12c0 1.7 3.6 3 8 3s8-1.3 8-3",
    ),
    ("chart", "M4 20V4M4 20h16M8 16l4-5 3 3 5-7"),
    ("persona", "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM4 21c0-4 3.6-6 8-6s8 2 8 6"),
    ("folder", "M3 6h6l2 2h10v11H3z"),
    ("microphone", "M12 3a3 3 0 0 0-3 3v6a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3zM6 11v1a6 6 0 0 0 12 0v-1M12 18v3"),
    (
        "temporary",
        "M12 4a8 8 0 0 0-3 .6M5.7 7A8 8 0 0 0 4 12M4.6 15A8 8 0 0 0 7 18.2M10 19.7a8 8 0 0 0 4 0M17 18.2a8 8 0 0 0 2.4-3.2M20 12a8 8 0 0 0-1.7-5M15 4.6A8 8 0 0 0 12 4",
    ),
    ("select", "M4 5h4v4H4zM4 15h4v4H4zM12 7h8M12 17h8"),
    ("talk", "M4 10v4M8 7v10M12 4v16M16 7v10M20 10v4"),
];

/// A stroked icon. Decorative: its button has the accessible name.
#[component]
pub(crate) fn Icon(name: &'static str) -> impl IntoView {
    let path = PATHS.iter().find(|(known, _)| *known == name).map_or("", |(_, path)| path);
    view! {
        <svg class="icon" class:filled=name == "stop" data-icon=name viewBox="0 0 24 24" aria-hidden="true">
            <path d=path />
        </svg>
    }
}

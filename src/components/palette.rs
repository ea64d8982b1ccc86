//! The command palette: pages, actions and chats by a few letters of their names. Opened by Ctrl+K on every page.

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use parlance_protocol::library::Id;
use web_sys::KeyboardEvent;

use super::dialog::Dialog;
use super::navigation::{use_open_chat, use_open_temporary};
use crate::chats::Chats;
use crate::i18n::{t, tr};
use crate::options::site_path;
use crate::settings::{SettingsContext, Theme};

/// The id of the list, and the beginning of those of its entries.
const LIST: &str = "palette-list";
/// How many entries are shown.
const MAX_SHOWN: usize = 12;
/// Pages, with the message ids of their names.
const PAGES: [(&str, &str); 6] = [
    ("catalogue", "models"),
    ("projects", "projects"),
    ("settings", "settings"),
    ("storage", "storage"),
    ("performance", "performance"),
    ("playground", "playground"),
];
/// Themes, with the message ids of their names.
const THEMES: [(Theme, &str); 3] =
    [(Theme::System, "theme-system"), (Theme::Light, "theme-light"), (Theme::Dark, "theme-dark")];

/// What an entry does.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Action {
    NewChat,
    TemporaryChat,
    Page(&'static str),
    Theme(Theme),
    Chat(Id),
}

/// Listens for the keys, and shows the palette.
#[component]
pub(crate) fn Palette() -> impl IntoView {
    let is_open = RwSignal::new(false);
    let on_key = move |event: KeyboardEvent| {
        if (event.ctrl_key() || event.meta_key()) && event.key().eq_ignore_ascii_case("k") {
            event.prevent_default();
            is_open.update(|is_open| *is_open = !*is_open);
        }
    };
    let listener = window_event_listener(leptos::ev::keydown, on_key);
    on_cleanup(move || listener.remove());
    view! {
        <Show when=move || is_open.get()>
            <Dialog title="palette" on_close=move || is_open.set(false)>
                <Commands on_done=move || is_open.set(false) />
            </Dialog>
        </Show>
    }
}

/// The field and the entries that match it.
#[component]
fn Commands(on_done: impl Fn() + Copy + Send + Sync + 'static) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let run = StoredValue::new_local(use_run());
    let run = move |action: Action| {
        run.with_value(|run| run(action));
        on_done();
    };
    let query = RwSignal::new(String::new());
    let chosen = RwSignal::new(0_usize);
    let all_chats = LocalResource::new(move || chats.all());
    let entries = Memo::new(move |_| {
        let fixed = fixed().into_iter();
        let list = all_chats.get().unwrap_or_default().into_iter();
        let all = fixed.chain(list.map(|summary| (Action::Chat(summary.id), summary.title)));
        matching(all, &query.read())
    });
    let on_key = move |event: KeyboardEvent| {
        let count = entries.read_untracked().len();
        match event.key().as_str() {
            "ArrowDown" if count > 0 => chosen.update(|chosen| *chosen = (*chosen + 1) % count),
            "ArrowUp" if count > 0 => chosen.update(|chosen| *chosen = (*chosen + count - 1) % count),
            "Enter" if !event.is_composing() => {
                let action =
                    entries.with_untracked(|entries| entries.get(chosen.get_untracked()).map(|(action, _)| *action));
                if let Some(action) = action {
                    run(action);
                }
            }
            _ => return,
        }
        event.prevent_default();
    };
    let one = move |(index, (action, name)): (usize, (Action, String))| {
        view! {
            <li
                id=format!("{LIST}-{index}")
                role="option"
                dir="auto"
                aria-selected=move || (chosen.get() == index).to_string()
                on:click=move |_| run(action)
            >
                {name}
            </li>
        }
    };
    view! {
        <input
            id="palette-field"
            type="text"
            role="combobox"
            autofocus=true
            autocomplete="off"
            dir="auto"
            placeholder=tr("palette-hint")
            aria-label=tr("palette-hint")
            aria-expanded="true"
            aria-controls=LIST
            aria-activedescendant=move || (!entries.read().is_empty()).then(|| format!("{LIST}-{}", chosen.get()))
            on:input:target=move |event| {
                chosen.set(0);
                query.set(event.target().value());
            }
            on:keydown=on_key
        />
        <ul id=LIST class="palette" role="listbox" aria-label=tr("palette")>
            {move || entries.get().into_iter().enumerate().map(one).collect_view()}
        </ul>
        <p role="status">{move || entries.read().is_empty().then(|| tr("no-commands-found"))}</p>
    }
}

/// Performs actions.
fn use_run() -> impl Fn(Action) + 'static {
    let navigate = use_navigate();
    let (open_chat, open_temporary) = (use_open_chat(), use_open_temporary());
    let settings = expect_context::<SettingsContext>().0;
    move |action: Action| match action {
        Action::NewChat => open_chat(None),
        Action::TemporaryChat => open_temporary(),
        Action::Chat(id) => open_chat(Some(id)),
        Action::Theme(theme) => settings.write().theme = theme,
        Action::Page(page) => {
            let options = NavigateOptions { resolve: false, ..NavigateOptions::default() };
            navigate(&format!("{}{page}", site_path()), options);
        }
    }
}

/// The entries that are always there, with their names.
fn fixed() -> Vec<(Action, String)> {
    let mut entries = vec![(Action::NewChat, t("new-chat")), (Action::TemporaryChat, t("temporary-chat"))];
    entries.extend(PAGES.map(|(page, name)| (Action::Page(page), t(name))));
    entries.extend(THEMES.map(|(theme, name)| (Action::Theme(theme), format!("{}: {}", t("theme"), t(name)))));
    entries
}

/// The first entries whose names contain all words of a query, in any case.
fn matching(entries: impl Iterator<Item = (Action, String)>, query: &str) -> Vec<(Action, String)> {
    let query = query.to_lowercase();
    let is_meant = |(_, name): &(Action, String)| {
        let name = name.to_lowercase();
        query.split_whitespace().all(|word| name.contains(word))
    };
    entries.filter(is_meant).take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn entries_match_by_all_words() {
        let named = |query: &str| {
            let chat = (Action::Chat(Id(1)), "Dark matter".to_owned());
            matching(fixed().into_iter().chain([chat]), query).into_iter().map(|(action, _)| action).collect::<Vec<_>>()
        };
        assert_eq!(named("DARK"), [Action::Theme(Theme::Dark), Action::Chat(Id(1))]);
        assert_eq!(named("mat dark"), [Action::Chat(Id(1))]);
        assert_eq!((named("").len(), named("no such thing").len()), (12, 0));
    }
}

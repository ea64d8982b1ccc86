//! The sidebar: the list of conversations with search. A drawer on narrow screens.

use std::collections::BTreeSet;

use leptos::prelude::*;
use parlance_protocol::library::ConversationSummary;

use super::conversation_item::ConversationItem;
use super::icon_button::IconButton;
use super::icons::Icon;
use super::navigation::{use_open_chat, use_open_temporary};
use super::selection_bar::SelectionBar;
use crate::chats::Chats;
use crate::i18n::{t, tr};

const DAY_MS: f64 = 86_400_000.0;

/// Conversations by folder and age. `on_leave` is called after one was chosen or the drawer was closed.
#[component]
pub(crate) fn Sidebar(on_leave: impl Fn() + Copy + Send + Sync + 'static) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let open = use_open_chat();
    let open_new = {
        let open = open.clone();
        move |_| {
            open(None);
            on_leave();
        }
    };
    let open_temporary = {
        let open = use_open_temporary();
        move || {
            open();
            on_leave();
        }
    };
    let open = StoredValue::new_local(open);
    let choose = move |id| {
        open.with_value(|open| open(Some(id)));
        on_leave();
    };
    let query = chats.query();
    let select = move || {
        chats.selection().update(|chosen| *chosen = chosen.is_none().then(BTreeSet::new));
    };
    let sections = Memo::new(move |_| chats.list().get().map(|list| sections(list, js_sys::Date::now())));
    let section = move |(name, list): (String, Vec<ConversationSummary>)| {
        view! {
            <section class="conversation-section">
                <h2>{name}</h2>
                <ul>
                    {list
                        .into_iter()
                        .map(|summary| view! { <ConversationItem summary on_choose=choose /> })
                        .collect_view()}
                </ul>
            </section>
        }
    };
    let body = move || match sections.get() {
        None => ().into_any(),
        Some(found) if found.is_empty() => {
            let text = if query.read().trim().is_empty() { t("no-conversations") } else { t("no-chats-found") };
            view! { <p class="sidebar-empty">{text}</p> }.into_any()
        }
        Some(found) => found.into_iter().map(section).collect_view().into_any(),
    };
    view! {
        <nav class="sidebar" aria-label=tr("conversations")>
            <div class="sidebar-header">
                <span class="brand">"Parlance"</span>
                <div class="only-narrow">
                    <IconButton icon="close" label="close" on_press=on_leave />
                </div>
            </div>
            <div class="new-chats">
                <button class="new-chat" data-testid="new-chat" on:click=open_new>
                    <Icon name="new-chat" />
                    {tr("new-chat")}
                </button>
                <IconButton icon="temporary" label="temporary-chat" on_press=open_temporary />
                <IconButton icon="select" label="select-chats" on_press=select />
            </div>
            <input
                id="search"
                type="search"
                placeholder=tr("search-conversations")
                aria-label=tr("search-conversations")
                prop:value=query
                on:input:target=move |event| query.set(event.target().value())
            />
            <SelectionBar />
            <div class="conversation-list" data-testid="conversations">{body}</div>
            <div class="sidebar-footer">
                <a href="catalogue">
                    <Icon name="model" />
                    {tr("models")}
                </a>
                <a href="projects">
                    <Icon name="folder" />
                    {tr("projects")}
                </a>
                <a href="settings">
                    <Icon name="settings" />
                    {tr("settings")}
                </a>
            </div>
        </nav>
    }
}

/// Groups conversations: pinned ones, then folders by name, then the others by age.
fn sections(list: Vec<ConversationSummary>, now_ms: f64) -> Vec<(String, Vec<ConversationSummary>)> {
    let mut sections: Vec<(u8, String, Vec<ConversationSummary>)> = Vec::new();
    for summary in list {
        let (rank, name) = match &summary.folder {
            _ if summary.is_pinned => (0, t("pinned")),
            Some(folder) => (1, folder.clone()),
            None => match now_ms - summary.updated_ms {
                age if age < DAY_MS => (2, t("last-day")),
                age if age < 7.0 * DAY_MS => (3, t("last-week")),
                age if age < 30.0 * DAY_MS => (4, t("last-month")),
                _ => (5, t("older")),
            },
        };
        match sections.iter_mut().find(|(_, known, _)| *known == name) {
            Some((.., list)) => list.push(summary),
            None => sections.push((rank, name, vec![summary])),
        }
    }
    sections
        .sort_by(|a, b| a.0.cmp(&b.0).then_with(|| if a.0 == 1 { a.1.cmp(&b.1) } else { std::cmp::Ordering::Equal }));
    sections.into_iter().map(|(_, name, list)| (name, list)).collect()
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn conversations_are_grouped_by_pin_folder_and_age() {
        let summary = |title: &str, days: f64| ConversationSummary {
            title: title.to_owned(),
            updated_ms: 1e12 - days * DAY_MS,
            ..ConversationSummary::default()
        };
        let in_folder = ConversationSummary { folder: Some("Work".to_owned()), ..summary("c", 0.0) };
        let pinned = ConversationSummary { is_pinned: true, ..summary("d", 90.0) };
        let list = vec![pinned, summary("a", 0.5), in_folder, summary("b", 3.0), summary("e", 60.0)];
        let found = sections(list, 1e12);
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Pinned", "Work", "Last 24 hours", "Last 7 days", "Older"]);
    }
}

//! Keeps the URL (`?chat=ID`) and the conversation on screen in step, so that history and bookmarks work.

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_query_map};
use parlance_protocol::library::Id;

use super::focus::focus_composer;
use crate::chats::Chats;
use crate::options::site_path;

/// The URL parameter with the conversation's id.
const PARAMETER: &str = "chat";

/// Navigates to the chat page, with a conversation's id or without. Adds a history entry.
///
/// The URL keeps the trailing slash of the site's path, which the router would remove: without it, static hosts redirect and the service
/// worker is bypassed.
pub(crate) fn use_go_to_chat() -> impl Fn(Option<Id>) + Clone + 'static {
    let navigate = use_navigate();
    move |id: Option<Id>| {
        let site = site_path();
        let address = id.map_or_else(|| site.clone(), |id| format!("{site}?{PARAMETER}={id}"));
        let options = NavigateOptions { resolve: false, scroll: false, ..NavigateOptions::default() };
        navigate(&address, options);
    }
}

/// Opens a conversation, or a new one, and navigates to it.
pub(crate) fn use_open_chat() -> impl Fn(Option<Id>) + Clone + 'static {
    let go = use_go_to_chat();
    let chats = expect_context::<Chats>();
    move |id: Option<Id>| {
        chats.open(id);
        if id.is_none() {
            // A new one is saved, even if the one before was not.
            chats.set_temporary(false);
        }
        go(id);
        focus_composer();
    }
}

/// Opens a new conversation of which nothing is saved.
pub(crate) fn use_open_temporary() -> impl Fn() + Clone + 'static {
    let open = use_open_chat();
    let chats = expect_context::<Chats>();
    move || {
        open(None);
        chats.set_temporary(true);
    }
}

/// Opens the conversation named in the URL, and puts the id of a newly started one into the URL.
pub(crate) fn follow_address() {
    let chats = expect_context::<Chats>();
    let query = use_query_map();
    let go = use_go_to_chat();
    let named = Memo::new(move |_| query.read().get(PARAMETER).and_then(|name| name.parse::<Id>().ok()));
    Effect::new(move |before: Option<Option<Id>>| {
        let named = named.get();
        // Without an id, the first page keeps the current conversation: a new one, or the one open before visiting another page.
        if named.is_some() || before.flatten().is_some() {
            chats.open(named);
        }
        named
    });
    Effect::new(move |before: Option<Option<Id>>| {
        let shown = chats.current_id();
        let is_new = before.is_some_and(|before| before != shown);
        if let Some(id) = shown.filter(|id| is_new && named.get_untracked() != Some(*id)) {
            go(Some(id));
        }
        shown
    });
}

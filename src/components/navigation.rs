//! The address and the conversation on screen: `?chat=NAME`, so that the browser's buttons and bookmarks work.

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_query_map};
use parlance_protocol::library::Id;

use super::focus::focus_composer;
use crate::chats::Chats;
use crate::options::site_path;

/// The parameter that names the conversation.
const PARAMETER: &str = "chat";

/// Goes to the chat: to a conversation, or to none in particular. The browser's button leads back.
///
/// The address keeps the slash at the end of the site's path, which the router would take away: without it static hosts redirect, and
/// the service worker is not asked.
pub(crate) fn use_go_to_chat() -> impl Fn(Option<Id>) + Clone + 'static {
    let navigate = use_navigate();
    move |id: Option<Id>| {
        let site = site_path();
        let address = id.map_or_else(|| site.clone(), |id| format!("{site}?{PARAMETER}={id}"));
        let options = NavigateOptions { resolve: false, scroll: false, ..NavigateOptions::default() };
        navigate(&address, options);
    }
}

/// Shows a conversation, or a new one, and goes there.
pub(crate) fn use_open_chat() -> impl Fn(Option<Id>) + Clone + 'static {
    let go = use_go_to_chat();
    let chats = expect_context::<Chats>();
    move |id: Option<Id>| {
        chats.open(id);
        go(id);
        focus_composer();
    }
}

/// Shows the conversation that the address names, and writes the name of one that has just begun into the address.
pub(crate) fn follow_address() {
    let chats = expect_context::<Chats>();
    let query = use_query_map();
    let go = use_go_to_chat();
    let named = Memo::new(move |_| query.read().get(PARAMETER).and_then(|name| name.parse::<Id>().ok()));
    Effect::new(move |before: Option<Option<Id>>| {
        let named = named.get();
        // Without a name the first page shows what is there: a new conversation, or the one that another page was left from.
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

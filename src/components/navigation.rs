//! The address and the conversation on screen: `?chat=NAME`, so that the browser's buttons and bookmarks work.

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_query_map};
use parlance_protocol::library::Id;

use crate::chats::Chats;

/// The parameter that names the conversation.
const PARAMETER: &str = "chat";

/// Goes to a conversation, or to a new one.
pub(crate) fn use_open_chat() -> impl Fn(Option<Id>) + Clone + 'static {
    let navigate = use_navigate();
    let chats = expect_context::<Chats>();
    move |id: Option<Id>| {
        chats.open(id);
        let address = id.map_or_else(|| "/".to_owned(), |id| format!("/?{PARAMETER}={id}"));
        navigate(&address, NavigateOptions { scroll: false, ..NavigateOptions::default() });
    }
}

/// Shows the conversation that the address names, and writes the name of one that has just begun into the address.
pub(crate) fn follow_address() {
    let chats = expect_context::<Chats>();
    let query = use_query_map();
    let navigate = use_navigate();
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
            let options = NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() };
            navigate(&format!("/?{PARAMETER}={id}"), options);
        }
        shown
    });
}

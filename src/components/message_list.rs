//! The conversation. It opens at its end, and follows the answer unless the user scrolls up.

use leptos::html::Div;
use leptos::prelude::*;
use leptos_use::use_resize_observer;
use parlance_protocol::library::Id;

use super::code_toolbar;
use super::focus::{element, focus_composer};
use super::icons::Icon;
use super::message::MessageView;
use crate::chats::Chats;
use crate::i18n::{t, tr};

/// Pixels from the end within which the view counts as being there.
const NEAR_END_PX: i32 = 48;

/// The list's box, and whether it stays at its end.
#[derive(Clone, Copy)]
struct End {
    list: NodeRef<Div>,
    is_followed: RwSignal<bool>,
    /// Where the box was scrolled to when it was last looked at.
    top_px: StoredValue<i32>,
}

impl End {
    fn new() -> Self {
        Self { list: NodeRef::new(), is_followed: RwSignal::new(true), top_px: StoredValue::new(0) }
    }

    /// Takes notice of scrolling. Only the user scrolls up; content that grows moves the end away and nothing else.
    fn note_place(self) {
        let Some(view) = element(self.list) else { return };
        let top_px = view.scroll_top();
        let is_near = view.scroll_height() - view.client_height() - top_px < NEAR_END_PX;
        let is_up = top_px < self.top_px.get_value();
        self.top_px.set_value(top_px);
        let is_followed = is_near || self.is_followed.get_untracked() && !is_up;
        if is_followed != self.is_followed.get_untracked() {
            self.is_followed.set(is_followed);
        }
    }

    /// Goes to the end, and stays there.
    fn go(self) {
        self.is_followed.set(true);
        self.follow();
    }

    /// Goes to the end if it is followed. Observers call this when the view may be gone.
    fn follow(self) {
        if let Some(view) = element(self.list)
            && self.is_followed.try_get_untracked() == Some(true)
        {
            view.set_scroll_top(view.scroll_height());
            self.top_px.set_value(view.scroll_top());
        }
    }
}

/// All messages of the branch on screen, oldest first.
#[component]
pub(crate) fn MessageList() -> impl IntoView {
    let chats = expect_context::<Chats>();
    let end = End::new();
    let column = NodeRef::<Div>::new();
    let branch = chats.branch();
    let conversation = Memo::new(move |_| chats.current_id());
    Effect::new(move |before: Option<(Option<Id>, usize)>| {
        let shown = (conversation.get(), branch.read().len());
        // Whoever sends wants to see the answer, and whoever opens a conversation its end.
        if before.is_some_and(|before| before != shown) {
            end.go();
        }
        shown
    });
    // The text grows as it is rendered and written; the box becomes lower when something appears below it.
    use_resize_observer(column, move |_, _| end.follow());
    use_resize_observer(end.list, move |_, _| end.follow());
    // Not each token: that an answer begins, and that it is there.
    let announcement = Memo::new(move |before: Option<&String>| {
        let is_answering = chats.is_answering().get();
        match (is_answering, before) {
            (true, _) => t("answer-begins"),
            (false, Some(before)) if !before.is_empty() => t("answer-is-there"),
            (false, _) => String::new(),
        }
    });
    let jump = move |_| {
        end.go();
        focus_composer();
    };
    view! {
        <div
            class="messages"
            node_ref=end.list
            on:scroll=move |_| end.note_place()
            on:click=move |event| code_toolbar::on_click(&event)
            role="region"
            aria-label=tr("conversation")
            tabindex="0"
        >
            <div class="column" node_ref=column>
                <For each=move || branch.get() key=|id| *id let:id>
                    <MessageView id />
                </For>
            </div>
        </div>
        <Show when=move || !end.is_followed.get()>
            <button class="jump" data-testid="jump" title=tr("jump-to-latest") aria-label=tr("jump-to-latest") on:click=jump>
                <Icon name="down" />
            </button>
        </Show>
        <p class="visually-hidden" role="status">{announcement}</p>
    }
}

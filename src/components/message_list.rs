//! The message list. It opens scrolled to the bottom, and keeps up with growing answers unless the user scrolls up.

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

/// Distance in pixels within which the list counts as scrolled to the bottom.
const NEAR_BOTTOM_PX: i32 = 48;

/// Keeps the list scrolled to the bottom.
#[derive(Clone, Copy)]
struct AutoScroll {
    list: NodeRef<Div>,
    is_on: RwSignal<bool>,
    /// The scroll position at the last event.
    top_px: StoredValue<i32>,
}

impl AutoScroll {
    fn new() -> Self {
        Self { list: NodeRef::new(), is_on: RwSignal::new(true), top_px: StoredValue::new(0) }
    }

    /// Turns off when the user scrolls up, and on when the bottom is reached. Growing content never decreases the scroll position.
    fn on_scroll(self) {
        let Some(view) = element(self.list) else { return };
        let top_px = view.scroll_top();
        let is_near = view.scroll_height() - view.client_height() - top_px < NEAR_BOTTOM_PX;
        let is_up = top_px < self.top_px.get_value();
        self.top_px.set_value(top_px);
        let is_on = is_near || self.is_on.get_untracked() && !is_up;
        if is_on != self.is_on.get_untracked() {
            self.is_on.set(is_on);
        }
    }

    /// Scrolls to the bottom and stays there.
    fn turn_on(self) {
        self.is_on.set(true);
        self.update();
    }

    /// Scrolls to the bottom if turned on. Observers may call this after the view has been disposed.
    fn update(self) {
        if let Some(view) = element(self.list)
            && self.is_on.try_get_untracked() == Some(true)
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
    let auto_scroll = AutoScroll::new();
    let column = NodeRef::<Div>::new();
    let branch = chats.branch();
    let conversation = Memo::new(move |_| chats.current_id());
    Effect::new(move |before: Option<(Option<Id>, usize)>| {
        let shown = (conversation.get(), branch.read().len());
        // After sending a message or opening another conversation.
        if before.is_some_and(|before| before != shown) {
            auto_scroll.turn_on();
        }
        shown
    });
    // The content grows while an answer is generated; the list shrinks when something appears below it.
    use_resize_observer(column, move |_, _| auto_scroll.update());
    use_resize_observer(auto_scroll.list, move |_, _| auto_scroll.update());
    // For screen readers: when an answer starts and finishes, but not every token.
    let announcement = Memo::new(move |before: Option<&String>| {
        let is_answering = chats.is_answering().get();
        match (is_answering, before) {
            (true, _) => t("response-started"),
            (false, Some(before)) if !before.is_empty() => t("response-finished"),
            (false, _) => String::new(),
        }
    });
    let jump = move |_| {
        auto_scroll.turn_on();
        focus_composer();
    };
    view! {
        <div
            class="messages"
            node_ref=auto_scroll.list
            on:scroll=move |_| auto_scroll.on_scroll()
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
        <Show when=move || !auto_scroll.is_on.get()>
            <button
                class="jump"
                data-testid="jump"
                title=tr("scroll-to-bottom")
                aria-label=tr("scroll-to-bottom")
                on:click=jump
            >
                <Icon name="down" />
            </button>
        </Show>
        <p class="visually-hidden" role="status">{announcement}</p>
    }
}

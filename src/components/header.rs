//! The chat page's header: sidebar button, title, model, system prompt.

use leptos::prelude::*;

use super::focus::focus_composer;
use super::icon_button::IconButton;
use super::icons::Icon;
use super::system_prompt_dialog::SystemPromptDialog;
use super::tab_title::set_tab_title;
use crate::chats::Chats;
use crate::client::{Client, EngineState};
use crate::conversation::ConversationStoreFields as _;
use crate::i18n::{t, tr};
use crate::names::friendly;

/// The header. `on_menu` toggles the sidebar.
#[component]
pub(crate) fn Header(on_menu: impl Fn() + 'static, on_choose_model: impl Fn() + 'static) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let is_dialog_open = RwSignal::new(false);
    let title = move || chats.current().summary().read().title.clone();
    set_tab_title(title);
    let close_dialog = move || {
        is_dialog_open.set(false);
        focus_composer();
    };
    view! {
        <header class="header">
            <IconButton icon="menu" label="conversations" on_press=on_menu />
            <h1 class="title" dir="auto">
                {move || Some(title()).filter(|title| !title.is_empty()).unwrap_or_else(|| "Parlance".to_owned())}
            </h1>
            <ModelButton on_choose_model />
            <IconButton icon="persona" label="chat-system-prompt" on_press=move || is_dialog_open.set(true) />
        </header>
        <Show when=move || is_dialog_open.get()>
            <SystemPromptDialog on_close=close_dialog />
        </Show>
    }
}

/// The model's name and state.
#[component]
fn ModelButton(on_choose_model: impl Fn() + 'static) -> impl IntoView {
    let client = expect_context::<Client>();
    let chats = expect_context::<Chats>();
    let engine = client.engine();
    // The model that the next message loads.
    let waiting = Memo::new(move |_| chats.waiting_model());
    let state = move || match &*engine.read() {
        EngineState::Empty => "empty",
        EngineState::Loading(_) => "loading",
        EngineState::Ready(_) => "ready",
        EngineState::Failed(_) => "failed",
    };
    let name = move || match &*engine.read() {
        EngineState::Ready(_) if waiting.read().is_some() => waiting.get().map(|model| model.name).unwrap_or_default(),
        EngineState::Ready(model) if client.is_demo(model) => t("demo-model"),
        EngineState::Ready(model) => friendly(&model.name),
        EngineState::Loading(_) => t("loading"),
        EngineState::Empty | EngineState::Failed(_) => t("select-model"),
    };
    view! {
        <button class="model-button" data-state=state title=tr("select-model") on:click=move |_| on_choose_model()>
            <span class="dot" aria-hidden="true"></span>
            <span class="model-name">{name}</span>
            <Icon name="down" />
        </button>
    }
}

//! The bar at the top: name, model, new chat, theme.

use leptos::prelude::*;
use leptos_use::{ColorMode, UseColorModeOptions, UseColorModeReturn, use_color_mode_with_options};

use super::icons::{ChevronIcon, MoonIcon, NewChatIcon, SunIcon};
use crate::client::{Client, EngineState};

/// The bar at the top. `on_choose_model` opens the model dialog.
#[component]
pub(crate) fn Header(on_choose_model: impl Fn() + 'static) -> impl IntoView {
    let client = expect_context::<Client>();
    view! {
        <header class="header">
            <h1 class="brand">"Parlance"</h1>
            <ModelButton on_choose_model />
            <button class="icon-button" title="New chat" aria-label="New chat" on:click=move |_| client.start_new_chat()>
                <NewChatIcon />
            </button>
            <ThemeButton />
        </header>
    }
}

/// The model's name and state.
#[component]
fn ModelButton(on_choose_model: impl Fn() + 'static) -> impl IntoView {
    let engine = expect_context::<Client>().engine();
    let state = move || match engine.get() {
        EngineState::Empty => "empty",
        EngineState::Loading(_) => "loading",
        EngineState::Ready(_) => "ready",
        EngineState::Failed(_) => "failed",
    };
    let name = move || match engine.get() {
        EngineState::Ready(model) => model.name,
        EngineState::Loading(_) => "Loading…".to_owned(),
        EngineState::Empty | EngineState::Failed(_) => "No model".to_owned(),
    };
    view! {
        <button class="model-button" data-state=state title="Choose a model" on:click=move |_| on_choose_model()>
            <span class="dot" aria-hidden="true"></span>
            <span class="model-name">{name}</span>
            <ChevronIcon />
        </button>
    }
}

/// Switches between light and dark; begins with what the system prefers and remembers the choice.
#[component]
fn ThemeButton() -> impl IntoView {
    let options = UseColorModeOptions::default().attribute("data-theme").storage_key("parlance.theme");
    let UseColorModeReturn { mode, set_mode, .. } = use_color_mode_with_options(options);
    let is_dark = move || mode.get() == ColorMode::Dark;
    let label = move || if is_dark() { "Light theme" } else { "Dark theme" };
    let toggle = move |_| set_mode.set(if is_dark() { ColorMode::Light } else { ColorMode::Dark });
    view! {
        <button class="icon-button" title=label aria-label=label on:click=toggle>
            <Show when=is_dark fallback=MoonIcon>
                <SunIcon />
            </Show>
        </button>
    }
}

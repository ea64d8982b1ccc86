//! The composer's buttons to dictate and to talk with the model, and what is heard.

use leptos::prelude::*;

use super::icons::Icon;
use super::speech_model::SpeechLoad;
use crate::dictation::{Dictation, DictationState};
use crate::i18n::{t, tr};

/// Buttons that begin and stop to listen.
#[component]
pub(crate) fn DictationButtons() -> impl IntoView {
    let dictation = expect_context::<Dictation>();
    let is_dictating = move || dictation.state().get() != DictationState::Idle && !dictation.is_hands_free().get();
    let is_talking = move || dictation.is_hands_free().get();
    view! {
        <Toggle name="dictate" icon="microphone" labels=["dictate", "stop-dictating"] is_on=Signal::derive(is_dictating)
            on_press=move || dictation.toggle() />
        <Toggle name="talk" icon="talk" labels=["talk", "stop-talking"] is_on=Signal::derive(is_talking)
            on_press=move || dictation.toggle_hands_free() />
    }
}

/// A button that begins something, and stops it. `labels` are the message ids for both.
#[component]
fn Toggle(
    name: &'static str,
    icon: &'static str,
    labels: [&'static str; 2],
    is_on: Signal<bool>,
    on_press: impl Fn() + 'static,
) -> impl IntoView {
    let label = move || t(labels[usize::from(is_on.get())]);
    view! {
        <button
            class="icon-button"
            type="button"
            data-testid=name
            title=label
            aria-label=label
            aria-pressed=move || is_on.get().to_string()
            on:click=move |_| on_press()
        >
            <Icon name=icon />
        </button>
    }
}

/// What is going on, and how loud it is.
#[component]
pub(crate) fn DictationStatus() -> impl IntoView {
    let dictation = expect_context::<Dictation>();
    let state = dictation.state();
    let text = move || match state.get() {
        DictationState::Idle => String::new(),
        DictationState::Opening => t("opening-microphone"),
        DictationState::Listening => t("listening"),
        DictationState::Transcribing => t("transcribing"),
    };
    view! {
        <Show when=move || state.get() != DictationState::Idle>
            <div class="dictation" data-testid="dictation">
                <span role="status">{text}</span>
                <meter min="0" max="1" aria-label=tr("sound-level") prop:value=move || dictation.level().get()></meter>
            </div>
            <SpeechLoad />
        </Show>
    }
}

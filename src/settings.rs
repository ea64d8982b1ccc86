//! The user's settings, kept in `localStorage` so that they are available before the first paint.

use leptos::prelude::*;
pub(crate) use parlance_protocol::library::Sampling;
use parlance_protocol::{DeviceChoice, KvCache};
use serde::{Deserialize, Serialize};

use crate::storage;

/// The `localStorage` key of the settings.
const KEY: &str = "parlance.settings";

/// All settings. Field names are part of the stored JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools, reason = "each is an independent setting")]
pub(crate) struct Settings {
    /// Sampling parameters.
    pub(crate) sampling: Sampling,
    /// Context length in tokens; chosen by the worker if absent.
    pub(crate) context_tokens: Option<u32>,
    /// System prompt of conversations without their own.
    pub(crate) system_prompt: String,
    /// Whether reasoning models reason before they answer.
    #[serde(rename = "thinks")]
    pub(crate) reasoning: bool,
    /// Whether models may call the built-in tools.
    pub(crate) uses_tools: bool,
    /// Whether to use prompt-lookup decoding, which speeds up text that repeats the conversation.
    #[serde(rename = "guesses_ahead")]
    pub(crate) prompt_lookup: bool,
    /// Whether to leave out the oldest messages of a conversation that does not fit the context.
    pub(crate) drops_oldest: bool,
    /// URL of the embedding model used to search long files; none if empty.
    pub(crate) embedding_model: String,
    /// URL of the ranker that chooses among the passages of projects that were found; none if empty.
    pub(crate) ranker: String,
    /// Colour theme.
    pub(crate) theme: Theme,
    /// Whether to use the compact layout.
    pub(crate) is_compact: bool,
    /// Interface language; the browser's if absent.
    pub(crate) language: Option<String>,
    /// Whether Enter sends a message; otherwise it adds a line and Ctrl+Enter sends.
    pub(crate) enter_sends: bool,
    /// Minutes without a request after which a model is unloaded; 0 for never.
    pub(crate) idle_minutes: u32,
    /// The device that models run on.
    pub(crate) device: DeviceChoice,
    /// Format of the KV cache.
    pub(crate) kv_cache: KvCache,
    /// Saved system prompts.
    pub(crate) personas: Vec<Snippet>,
    /// Saved texts that `/name` inserts.
    pub(crate) prompts: Vec<Snippet>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sampling: Sampling::BALANCED,
            context_tokens: None,
            system_prompt: String::new(),
            reasoning: true,
            uses_tools: false,
            prompt_lookup: false,
            drops_oldest: true,
            embedding_model: String::new(),
            ranker: String::new(),
            theme: Theme::System,
            is_compact: false,
            language: None,
            enter_sends: true,
            idle_minutes: 0,
            device: DeviceChoice::Auto,
            kv_cache: KvCache::F16,
            personas: Vec::new(),
            prompts: Vec::new(),
        }
    }
}

/// A named text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Snippet {
    /// Its name.
    pub(crate) name: String,
    /// Its content; `{{name}}` is a placeholder for the user to fill in.
    pub(crate) text: String,
}

/// Colour theme.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Theme {
    /// Follow the system.
    #[default]
    System,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
}

/// The settings as a signal shared by all components.
#[derive(Clone, Copy)]
pub(crate) struct SettingsContext(pub(crate) RwSignal<Settings>);

impl SettingsContext {
    /// Loads the settings, saves changes, and follows changes made in other tabs.
    pub(crate) fn new() -> Self {
        let settings = RwSignal::new(read().unwrap_or_default());
        Effect::watch(
            move || settings.get(),
            |settings, _, _| {
                if let Ok(json) = serde_json::to_string(settings) {
                    storage::write(KEY, &json);
                }
            },
            false,
        );
        let other_tab = window_event_listener(leptos::ev::storage, move |event| {
            if event.key().as_deref() == Some(KEY)
                && let Some(changed) = read()
                && settings.with_untracked(|settings| *settings != changed)
            {
                settings.set(changed);
            }
        });
        on_cleanup(move || other_tab.remove());
        Self(settings)
    }
}

fn read() -> Option<Settings> {
    serde_json::from_str(&storage::read(KEY)?).ok()
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn settings_of_older_versions_get_defaults_for_new_fields() -> serde_json::Result<()> {
        let settings: Settings = serde_json::from_str(r#"{"sampling":{"temperature":0.1},"gone":1}"#)?;
        assert!((settings.sampling.temperature - 0.1).abs() < 1e-6);
        assert!((settings.sampling.top_p - Sampling::BALANCED.top_p).abs() < 1e-6);
        assert!(settings.enter_sends && settings.drops_oldest);
        Ok(())
    }
}

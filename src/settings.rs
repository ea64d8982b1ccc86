//! What the user has chosen, for all visits. Kept in `localStorage`, so that it is there before the first paint.

use leptos::prelude::*;
use parlance_protocol::openai::ChatCompletionRequest;
use parlance_protocol::{DeviceChoice, KvCache};
use serde::{Deserialize, Serialize};

use crate::storage;

/// Where the settings are kept.
const KEY: &str = "parlance.settings";

/// All choices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub(crate) struct Settings {
    /// How answers are sampled.
    pub(crate) sampling: Sampling,
    /// Tokens of context to ask for; what fits if absent.
    pub(crate) context_tokens: Option<u32>,
    /// What the model is told first, in conversations that have nothing of their own.
    pub(crate) system_prompt: String,
    /// Whether models that can think first do so.
    pub(crate) thinks: bool,
    /// Whether the model may use the built-in tools.
    pub(crate) uses_tools: bool,
    /// Whether tokens are guessed from the conversation, so that repetitions come faster.
    pub(crate) guesses_ahead: bool,
    /// Whether the oldest messages are left out where a conversation does not fit the context.
    pub(crate) drops_oldest: bool,
    /// Address of the embedding model that searches long files; none if empty.
    pub(crate) embedding_model: String,
    /// Light, dark, or as the system has it.
    pub(crate) theme: Theme,
    /// Whether lists and messages stand closer together.
    pub(crate) is_compact: bool,
    /// The interface's language; the browser's if absent.
    pub(crate) language: Option<String>,
    /// Whether Enter sends, or makes a new line so that Ctrl+Enter sends.
    pub(crate) enter_sends: bool,
    /// After how many minutes without a request a model's memory is freed; 0 for never.
    pub(crate) idle_minutes: u32,
    /// What models are computed on.
    pub(crate) device: DeviceChoice,
    /// How models keep keys and values of a conversation.
    pub(crate) kv_cache: KvCache,
    /// System prompts to choose from.
    pub(crate) personas: Vec<Snippet>,
    /// Texts to insert by `/name`.
    pub(crate) prompts: Vec<Snippet>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sampling: Sampling::BALANCED,
            context_tokens: None,
            system_prompt: String::new(),
            thinks: true,
            uses_tools: false,
            guesses_ahead: false,
            drops_oldest: true,
            embedding_model: String::new(),
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

/// How answers are sampled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Sampling {
    /// 0 takes the likeliest token.
    pub(crate) temperature: f32,
    /// Keep the likeliest tokens whose probabilities reach this sum.
    pub(crate) top_p: f32,
    /// Keep this many of the likeliest tokens; 0 keeps all.
    pub(crate) top_k: u32,
    /// Keep tokens at least this likely relative to the likeliest.
    pub(crate) min_p: f32,
    /// Makes tokens that were seen less likely; 1 changes nothing.
    pub(crate) repetition_penalty: f32,
    /// Most tokens of an answer; up to the end of the context if absent.
    pub(crate) max_tokens: Option<u32>,
    /// Makes answers repeatable.
    pub(crate) seed: Option<u32>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self::BALANCED
    }
}

impl Sampling {
    /// Small models repeat themselves without a penalty.
    pub(crate) const BALANCED: Self = Self {
        temperature: 0.7,
        top_p: 0.9,
        top_k: 0,
        min_p: 0.0,
        repetition_penalty: 1.1,
        max_tokens: None,
        seed: None,
    };
    /// The likeliest words.
    pub(crate) const PRECISE: Self = Self { temperature: 0.2, top_p: 0.9, ..Self::BALANCED };
    /// Surprising, without nonsense.
    pub(crate) const CREATIVE: Self = Self { temperature: 1.1, top_p: 1.0, min_p: 0.05, ..Self::BALANCED };

    /// A request with these choices and no messages yet.
    pub(crate) fn request(self) -> ChatCompletionRequest {
        ChatCompletionRequest {
            temperature: Some(self.temperature),
            top_p: Some(self.top_p),
            top_k: (self.top_k > 0).then_some(self.top_k),
            min_p: (self.min_p > 0.0).then_some(self.min_p),
            repetition_penalty: Some(self.repetition_penalty),
            max_tokens: self.max_tokens,
            seed: self.seed.map(i64::from),
            ..ChatCompletionRequest::default()
        }
    }
}

/// A named text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Snippet {
    /// Its name.
    pub(crate) name: String,
    /// What it says; `{{name}}` stands for what the user fills in.
    pub(crate) text: String,
}

/// Light or dark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Theme {
    /// As the system has it.
    #[default]
    System,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// The settings, as all components see and change them.
#[derive(Clone, Copy)]
pub(crate) struct SettingsContext(pub(crate) RwSignal<Settings>);

impl SettingsContext {
    /// Reads what is kept, and keeps what is changed, here and in other tabs.
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
    use super::*;

    #[test]
    fn settings_of_older_versions_take_defaults_for_what_is_new() -> serde_json::Result<()> {
        let settings: Settings = serde_json::from_str(r#"{"sampling":{"temperature":0.1},"gone":1}"#)?;
        assert!((settings.sampling.temperature - 0.1).abs() < 1e-6);
        assert!((settings.sampling.top_p - Sampling::BALANCED.top_p).abs() < 1e-6);
        assert!(settings.enter_sends && settings.drops_oldest);
        Ok(())
    }
}

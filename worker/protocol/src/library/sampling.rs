//! How tokens are chosen: by the settings, or by a conversation of its own.

use serde::{Deserialize, Serialize};

use crate::openai::ChatCompletionRequest;

/// Sampling parameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// 0 always picks the most likely token.
    pub temperature: f32,
    /// Keep the most likely tokens whose probabilities add up to this; 1 keeps all.
    pub top_p: f32,
    /// Keep this many of the most likely tokens; 0 keeps all.
    pub top_k: u32,
    /// Keep tokens at least this likely relative to the most likely one.
    pub min_p: f32,
    /// Makes tokens that already occurred less likely; 1 disables it.
    pub repetition_penalty: f32,
    /// Maximum number of tokens of an answer; limited by the context alone if absent.
    pub max_tokens: Option<u32>,
    /// Makes answers reproducible; random if absent.
    pub seed: Option<u32>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self::BALANCED
    }
}

impl Sampling {
    /// The default. Small models repeat themselves without a penalty.
    pub const BALANCED: Self = Self {
        temperature: 0.7,
        top_p: 0.9,
        top_k: 0,
        min_p: 0.0,
        repetition_penalty: 1.1,
        max_tokens: None,
        seed: None,
    };
    /// Close to greedy.
    pub const PRECISE: Self = Self { temperature: 0.2, top_p: 0.9, ..Self::BALANCED };
    /// More varied; min-p keeps it coherent.
    pub const CREATIVE: Self = Self { temperature: 1.1, top_p: 1.0, min_p: 0.05, ..Self::BALANCED };

    /// A request with these parameters and no messages yet.
    #[must_use]
    pub fn request(self) -> ChatCompletionRequest {
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

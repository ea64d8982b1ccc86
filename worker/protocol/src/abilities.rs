//! What models can do.

use serde::{Deserialize, Serialize};

/// A task or a feature of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// It answers conversations.
    Chat,
    /// It has embeddings of texts.
    Embeddings,
    /// It ranks documents.
    Rerank,
    /// Its chat template describes tools.
    Tools,
    /// It can reason before it answers.
    Thinking,
    /// It sees images.
    Vision,
    /// It hears recordings.
    Hearing,
    /// It turns speech into text.
    Transcription,
}

/// What a model can do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abilities {
    /// Tasks and features.
    pub capabilities: Vec<Capability>,
    /// Context length in tokens, for prompt and answer together.
    pub context_tokens: u32,
}

//! Projects: instructions, files and conversations that belong together.

use serde::{Deserialize, Serialize};

use super::Id;

/// A project. Its conversations name it ([`super::ConversationSummary::project`]), and so do its files.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Project {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// The system prompt of its conversations; that of the settings if empty.
    pub instructions: String,
    /// Time of creation, in milliseconds since 1970.
    pub created_ms: f64,
}

/// A file of a project, without its text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectFile {
    /// Its id.
    pub id: Id,
    /// Its project.
    pub project: Id,
    /// Its name.
    pub name: String,
    /// Time when it was added, in milliseconds since 1970.
    pub added_ms: f64,
    /// Bytes of its text.
    pub len_bytes: f64,
    /// How many passages it was cut into.
    pub passages: u32,
    /// How many of them have a vector of the embedding model that was asked about.
    pub embedded: u32,
}

/// What a project is searched for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProjectQuestion {
    /// The question.
    pub text: String,
    /// Its vector, and the model that it is of, if one is used.
    pub vector: Option<QuestionVector>,
    /// Maximum characters of the passages together.
    pub max_chars: u32,
}

/// The vector of a question.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct QuestionVector {
    /// The URL of the embedding model.
    pub model: String,
    /// The vector.
    pub values: Vec<f32>,
}

/// Passages that follow each other in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassageRun {
    /// The file.
    pub file: Id,
    /// The index of the first passage.
    pub first: u32,
    /// Their texts.
    pub texts: Vec<String>,
}

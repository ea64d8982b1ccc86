//! What a search has found in conversations.

use serde::{Deserialize, Serialize};

use super::Id;

/// Where a conversation has the words that were searched for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The conversation.
    pub id: Id,
    /// Its title.
    pub title: Vec<Piece>,
    /// Of the first message with one of the words, what is around it; empty if no message has any.
    pub excerpt: Vec<Piece>,
}

/// A piece of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The text.
    pub text: String,
    /// Whether it was searched for.
    pub is_match: bool,
}

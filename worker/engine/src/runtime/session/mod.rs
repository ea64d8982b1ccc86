//! Using a model: prefill, generation token by token, draft tokens, embeddings.

mod encoder;
mod generation;
mod model;
mod prompt;
mod prompt_lookup;
mod stepwise;

pub use encoder::{Embedding, Encoder};
pub use generation::{Generation, GenerationEnd};
pub use model::Model;
pub use prompt::{EmbeddingSpan, Prompt, Span};
pub use prompt_lookup::DraftStats;
pub use stepwise::Stepwise;

//! Using a model: prefill, generation token by token, draft tokens, embeddings.

mod encoder;
mod generation;
mod head;
mod model;
mod projector;
mod prompt;
mod prompt_lookup;
mod stepwise;

pub(super) use encoder::DecoderEmbedder;
pub use encoder::{Embedding, Encoder, Ranking};
pub use generation::{Generation, GenerationEnd};
pub(super) use head::Head;
pub use model::Model;
pub use projector::{Part, Projector};
pub use prompt::{EmbeddingSpan, Prompt, Span};
pub use prompt_lookup::DraftStats;
pub use stepwise::Stepwise;

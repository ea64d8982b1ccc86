//! Using a model: prefill, generation token by token, draft tokens, several answers at once, embeddings.

mod encoder;
mod generation;
mod head;
mod hearing;
mod listening;
mod model;
mod projector;
mod prompt;
mod prompt_lookup;
mod schedule;
mod sight;
mod stepwise;
mod together;
mod transcriber;
mod transcript;

pub(super) use encoder::DecoderEmbedder;
pub use encoder::{Embedding, Encoder, Ranking};
pub use generation::{Generation, GenerationEnd};
pub(super) use head::Head;
pub use model::Model;
pub(super) use projector::PlannedTower;
pub use projector::Projector;
pub use prompt::{EmbeddingSpan, Part, Prompt, Span};
pub use prompt_lookup::DraftStats;
pub use schedule::{Schedule, Turn};
pub use stepwise::Stepwise;
pub use together::JointStep;
pub use transcriber::Transcriber;
pub use transcript::{TranscriptEvent, TranscriptSegment, TranscriptionOptions};

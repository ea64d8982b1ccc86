//! Using a model: prefill, generation token by token, draft tokens, several answers at once, embeddings.

mod answer_text;
mod answers;
mod draft_pace;
mod drafter;
mod drafting;
mod drafts;
mod encoder;
mod generation;
mod head;
mod listening;
mod model;
mod pause;
mod projector;
mod prompt;
mod prompt_lookup;
mod schedule;
mod stepwise;
mod together;
mod transcriber;
mod transcript;

pub(super) use drafter::DraftRecord;
pub use drafts::DraftStats;
pub(super) use encoder::DecoderEmbedder;
pub use encoder::{Embedding, Encoder, Ranking};
pub use generation::{Generation, GenerationEnd};
pub(super) use head::Head;
pub use model::Model;
pub use projector::{Part, Projector};
pub use prompt::{EmbeddingSpan, Prompt, Span};
pub use schedule::{Schedule, Turn};
pub use stepwise::Stepwise;
pub use together::JointStep;
pub use transcriber::Transcriber;
pub use transcript::{TranscriptEvent, TranscriptSegment, TranscriptionOptions};

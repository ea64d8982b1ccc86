//! The `OpenAI` API over a model of the engine.
//!
//! The path of a request:
//!
//! 1. [`Job::chat`] reads its JSON (`parse.rs`), turns messages and tools into a prompt (`prompt.rs`, `tools/`), without the oldest turns
//!    where the context is full and the request says so (`turns.rs`), and its format into a grammar (`grammar.rs`);
//! 2. [`Job::run`] computes its answers (`answer.rs`): the decode loop of the engine where nothing needs the host, one token at a time
//!    where a grammar, log probabilities or a logit processor do; `text.rs` splits thoughts, calls and text and finds stop texts;
//! 3. a [`Control`] hears of progress and chunks and may stop it; what it all comes to is the [`Job`]'s response.
//!
//! Like the engine, the crate knows no browser and is tested natively.

mod answer;
mod embeddings;
mod error;
mod grammar;
mod job;
mod language;
mod logprobs;
mod parse;
mod prompt;
mod text;
mod tools;
mod turns;

pub use answer::{LogitProcessor, Processors};
pub use embeddings::EmbeddingJob;
pub use error::RequestError;
pub use grammar::Grammars;
pub use job::{Control, Job, Meta};
pub use language::Language;

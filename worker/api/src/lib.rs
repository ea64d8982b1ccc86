//! The `OpenAI` API for models of the engine.
//!
//! The path of a request:
//!
//! 1. [`ChatRequest::new`] parses its JSON (`parse.rs`); the host fetches the images that it names and decodes its
//!    recordings (`media.rs`, `images.rs`, `sounds.rs`);
//! 2. [`Job::chat_with_media`] turns messages and tools into a prompt (`prompt.rs`, `tools/`), without the oldest turns if the
//!    context is full and the request allows it (`turns.rs`), and compiles its response format to a grammar
//!    (`constraints.rs`, `grammar.rs`);
//! 3. [`Job::perceive`] encodes its images and sounds, except those that were encoded lately (`senses.rs`);
//! 4. [`Job::run`] generates its answers (`answer.rs`): with the engine's decode loop if the host is not involved, token by token with
//!    a grammar, log probabilities or a logit processor. `output_parser.rs` separates reasoning, tool calls and text, and finds stop
//!    sequences (`channels.rs`: gpt-oss);
//! 5. a [`Control`] receives progress and chunks, and can stop the request. The [`Job`] returns the response.
//!
//! A [`TranscriptionJob`] turns a recording into text. The recording is decoded by the host.
//!
//! With [`Callers`], the answers of several requests, and of one with `n`, are computed together where the model has memory for
//! several sequences.
//!
//! A [`PreparedResponse`] (`responses/`) is a request of the Responses API as a chat completion, and a [`ResponseJob`] turns its chunks
//! into events.
//!
//! Like the engine, the crate does not depend on a browser and is tested natively.

mod answer;
mod callers;
mod channels;
mod chat_request;
mod chunks;
mod codec;
mod constraints;
mod control;
mod embeddings;
mod error;
mod failure;
mod grammar;
mod images;
mod job;
mod logprobs;
mod media;
mod meta;
mod models;
mod output_parser;
mod parse;
mod prompt;
mod rerank;
mod responses;
mod senses;
mod sounds;
mod tools;
mod transcription;
mod turns;
mod work;

pub use answer::{LogitProcessor, Processors};
pub use callers::{Callers, Ended};
pub use chat_request::ChatRequest;
pub use codec::{ChatCodec, capabilities};
pub use control::Control;
pub use embeddings::EmbeddingJob;
pub use error::RequestError;
pub use failure::{engine_failure_kind, engine_failure_reason};
pub use images::{Detail, Image, ImageRequest, PictureFuture};
pub use job::Job;
pub use media::{Media, MediaRequest, Medium};
pub use meta::Meta;
pub use models::{find_model, model_list};
pub use rerank::RerankJob;
pub use responses::{KeptResponse, PreparedResponse, ResponseJob};
pub use senses::Senses;
pub use sounds::{SamplesFuture, Sound, SoundRequest};
pub use transcription::TranscriptionJob;
pub use work::Work;

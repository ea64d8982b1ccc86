//! Tests of the API with the demo model, which is loaded once for all of them, with tiny rankers, and with a tiny model
//! that sees and one that hears.

mod common;
mod completions;
mod hearing;
mod images;
mod rerank;
mod responses;
mod structured;
mod together;
mod tools;
mod transcription;
mod truncation;

//! Tests of the API with the demo model, which is loaded once for all of them, and with tiny rankers.

mod common;
mod completions;
mod rerank;
mod responses;
mod structured;
mod tools;
mod truncation;

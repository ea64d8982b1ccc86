//! Tests of the API with the demo model, which is loaded once for all of them.

mod common;
mod completions;
mod structured;
mod tools;
mod truncation;

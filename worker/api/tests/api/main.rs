//! The API on the demo model, which all of these tests share.

mod common;
mod completions;
mod structured;
mod tools;
mod truncation;

//! What Parlance does with the texts of conversations, without a browser: Markdown to HTML, search, import and export.

pub mod calculator;
pub mod exchange;
pub mod markdown;
pub mod passages;
pub mod search;

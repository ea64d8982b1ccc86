//! Text processing for conversations, without a browser: Markdown to HTML, search, import and export.

pub mod calculator;
pub mod import_export;
pub mod index;
pub mod markdown;
pub mod passages;
pub mod search;

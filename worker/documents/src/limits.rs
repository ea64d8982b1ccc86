//! Limits of what is read of a document. Each is far beyond what people write, and far below what a browser's tab holds.

pub use parlance_protocol::documents::{MAX_FILE_BYTES, MAX_TEXT_BYTES};

/// Maximum bytes that are unpacked from an archive, over all files that are read of it.
pub const MAX_UNPACKED_BYTES: u64 = 512 << 20;
/// Maximum files in an archive.
pub const MAX_FILES: u64 = 20_000;
/// Maximum pages of a PDF file.
pub const MAX_PAGES: u64 = 5_000;
/// Maximum cells of all tables, with the empty ones before the last of a row.
pub const MAX_CELLS: u64 = 4_000_000;
/// Maximum XML elements within each other.
pub const MAX_NESTING: u64 = 256;

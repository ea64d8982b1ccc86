//! GGUF: the model file format of llama.cpp.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>. Files are untrusted input: every count is
//! bounded before anything is allocated, and all sizes are `u64` with checked arithmetic (`usize` has 32 bits on wasm).

pub(crate) mod blocks;
mod codebooks;
pub mod dequantize;
mod indexed;
mod integer_block;
mod metadata;
mod parser;
mod reader;
mod split;
mod streams;
mod tensor_type;
mod writer;

pub use blocks::{IntegerFormat, integer_blocks};
pub use codebooks::Codebook;
pub use integer_block::IntegerBlock;
pub(crate) use integer_block::half_at;
pub use metadata::{Metadata, Value};
pub use parser::{Gguf, Parsed, TensorInfo};
pub use split::part_names;
pub use streams::{Group, KERNEL_BLOCK_LEN, StreamBytes, stream_bytes};
pub use tensor_type::TensorType;
pub use writer::Writer;

/// Maximum number of tensors in a file.
pub const MAX_TENSORS: u64 = 65_536;
/// Maximum number of metadata entries in a file.
pub const MAX_METADATA_ENTRIES: u64 = 65_536;
/// Maximum length of a string (a token, a chat template) in bytes.
pub const MAX_STRING_BYTES: u64 = 16 << 20;
/// Maximum length of a tensor name or metadata key in bytes.
pub const MAX_NAME_BYTES: u64 = 65_535;
/// Maximum number of elements in an array (the largest vocabularies have about 260,000 tokens and as many merges).
pub const MAX_ARRAY_LEN: u64 = 4 << 20;
/// Maximum number of dimensions of a tensor.
pub const MAX_DIMENSIONS: u32 = 4;
/// Maximum size of a header (metadata and tensor list) in bytes.
pub const MAX_HEADER_BYTES: u64 = 256 << 20;
/// Maximum alignment of the data section.
pub const MAX_ALIGNMENT: u64 = 1 << 20;

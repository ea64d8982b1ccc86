//! The engine's native tests, except those of kernels, which also run in browsers. They are one program, so that it is
//! linked once and all cores are busy until the end.

mod architectures;
#[cfg(unix)]
mod bench;
mod bounds;
#[path = "../common/mod.rs"]
mod common;
mod dequantize;
mod drafts;
mod embeddings;
mod encoders;
mod hearing;
mod hostile;
mod hybrids;
mod layouts;
mod model;
mod mutations;
mod sequences;
mod spans;
mod templates;
mod together;
mod tokenizers;
mod vision;
mod whisper;
mod windows;

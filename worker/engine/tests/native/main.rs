//! The engine's native tests, but those of kernels, which run in browsers, too. They are one program, so that it is linked once and all cores have
//! work until the end.

mod architectures;
#[cfg(unix)]
mod bench;
#[path = "../common/mod.rs"]
mod common;
mod dequantize;
mod embeddings;
mod hostile;
mod hybrids;
mod model;
mod modules;
mod templates;
mod tokenizers;

//! GGUF inference on WebGPU: from a model file's bytes to streamed text.
//!
//! The path of a request through the crate:
//!
//! 1. [`gguf`] parses the file's header (hostile input) and knows the block formats;
//! 2. [`models`] turns metadata into a [`models::ModelConfig`] and a list of tensors to place;
//! 3. [`runtime`] owns the GPU: it streams weights into buffers, builds the forward pass, holds the KV
//!    cache and runs the decode loop;
//! 4. [`tokenizer`] and [`template`] turn messages into tokens and tokens into text.
//!
//! Every kernel in [`kernels`] has a plain reference implementation beside it.
//!
//! The crate never touches the DOM and builds natively and for `wasm32-unknown-unknown`.

#![cfg_attr(
    target_family = "wasm",
    allow(
        clippy::arc_with_non_send_sync,
        reason = "natively the same types go to other threads; a browser's objects cannot"
    )
)]

pub mod chat;
pub mod error;
pub mod gguf;
pub mod json;
pub mod kernels;
pub mod models;
pub mod runtime;
pub mod sampling;
pub mod template;
pub mod tokenizer;
mod turns;

pub use error::{EngineError, Result};
pub use runtime::fit;

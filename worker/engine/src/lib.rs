//! GGUF inference on WebGPU and on the CPU: from the bytes of a model file to streamed text.
//!
//! The path of a request through the crate:
//!
//! 1. [`gguf`] parses the file's header (untrusted input) and decodes the block formats;
//! 2. [`models`] turns metadata into a [`models::ModelConfig`] and a plan of the tensors;
//! 3. [`runtime`] streams weights to the device, runs the forward pass, holds the KV cache and generates tokens;
//! 4. [`tokenizer`] and [`template`] turn messages into tokens and tokens into text.
//!
//! Every kernel in [`kernels`] has a plain reference implementation.
//!
//! To answer a question, open a [`runtime::Device`], feed a file to a [`runtime::Loader`], turn messages into tokens with
//! [`chat::Chat::prompt`], and generate with [`runtime::Model::generate`]; `examples/answer.rs` does that on one page.
//! Chats with tools, structured output and reasoning are the business of `parlance-api`, a layer above.
//!
//! The crate never touches the DOM, and builds natively and for `wasm32-unknown-unknown`. Without its feature `gpu`
//! models run on the CPU alone, and wgpu is no dependency.

#![warn(missing_docs)]
#![cfg_attr(
    not(feature = "gpu"),
    allow(dead_code, unreachable_code, unused_imports, reason = "what only a GPU needs is not used")
)]
#![cfg_attr(
    target_family = "wasm",
    allow(
        clippy::arc_with_non_send_sync,
        reason = "natively the same types move to other threads; browser objects cannot"
    )
)]

pub mod calls;
pub mod chat;
pub mod error;
pub mod ggml;
pub mod gguf;
pub mod json;
pub mod kernels;
pub mod models;
pub mod runtime;
pub mod sampling;
pub mod speech;
pub mod template;
pub mod tokenizer;
mod turns;
pub mod vision;

pub use error::{EngineError, Result};
pub use runtime::fit;

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

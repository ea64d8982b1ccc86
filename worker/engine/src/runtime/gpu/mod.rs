//! The GPU backend: buffers and dispatches of the forward pass, autotuning, profiling and self-test.

mod answer;
mod autotune;
mod backend;
pub(super) mod buffers;
mod decoder;
mod encoder;
mod feed_forward;
mod forward;
mod latent;
mod memory;
mod mixers;
mod product;
mod profile;
mod programs;
mod self_test;
mod tower;
mod tower_buffers;
mod weights;

pub use buffers::scratch_bytes;
pub(super) use decoder::GpuDecoder;
pub(super) use encoder::GpuEncoder;
pub(super) use tower::GpuTower;
pub use weights::Matrix;
pub(super) use weights::{Piece, Weights, ask_for_repacking, copying};

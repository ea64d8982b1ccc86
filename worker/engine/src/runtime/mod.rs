//! What a model needs to run: the device, weights, the forward pass, the KV cache and the decode loop. All but [`cpu`] is about
//! GPUs.

mod autotune;
#[cfg(target_family = "wasm")]
mod browser_pipelines;
#[cfg(target_family = "wasm")]
mod browser_subgroups;
mod buffers;
mod cpu;
mod device;
mod encoder;
mod forward;
mod generation;
mod gpu;
mod gpu_model;
mod guesses;
mod kernel;
mod loader;
mod model;
mod parked;
mod product;
mod profile;
mod program;
mod self_test;
mod snapshot;
mod staging;
mod stepwise;
mod tuning;
mod upload;
mod verify;
mod weights;

pub use autotune::Change;
pub use buffers::scratch_bytes;
#[cfg(not(target_family = "wasm"))]
pub use cpu::Threads;
pub use cpu::{Cpu, Link, MAX_PAYLOAD_BYTES, MAX_REPLY_FLOATS, Member, ORDER_WORDS};
pub use device::Device;
pub use encoder::{Embedding, Encoder};
pub use generation::{Generation, GenerationEnd};
pub use gpu::{Gpu, GpuOptions};
pub use guesses::Guessed;
pub use loader::{Loaded, Loader, LoaderOptions, Source};
pub use model::Model;
pub use profile::{KernelTime, Profile};
pub use program::{Binding, Dispatch, Grid};
pub use self_test::{SelfTest, Verdict};
pub use stepwise::{Step, Stepwise};
pub use tuning::{AttentionSplits, Tuning};
pub use weights::{Matrix, StreamBytes, stream_bytes};

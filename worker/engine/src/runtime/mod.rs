//! Everything that lives on the GPU: the device, weights, the forward pass, the KV cache and the decode loop.

mod forward;
mod generation;
mod gpu;
mod loader;
mod model;
mod program;
mod weights;

pub use generation::{Generation, GenerationEnd};
pub use gpu::{Gpu, GpuOptions};
pub use loader::{Loader, LoaderOptions};
pub use model::Model;
pub use program::{Binding, Dispatch, Grid};
pub use weights::{Matrix, repack};

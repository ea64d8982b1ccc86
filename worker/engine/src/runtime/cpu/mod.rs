//! The CPU backend, for browsers without WebGPU and for software adapters.
//!
//! Weights stay quantised as integers ([`crate::gguf::IntegerBlock`]). Activations are quantised to 16 bits in blocks
//! of 32: wasm SIMD multiplies integers of at most 16 bits, so 8 bits would be no faster, and with 16 bits logits are
//! as exact as on the GPU. Everything but the matrix products is computed in single precision ([`ops`], [`attention`],
//! [`mixers`]).

mod activations;
mod attention;
mod backend;
mod decoder;
mod encoder;
mod feed_forward;
mod forward;
mod latent;
mod layer_memory;
mod layers;
mod listener;
mod matrix;
mod memory;
mod mixers;
#[cfg(not(target_family = "wasm"))]
mod native_threads;
mod ops;
mod sampler;
mod shard;
mod sound;
mod streams;
mod thread_pool;
mod tower;
mod weights;

use std::cell::Cell;
use std::sync::Arc;

use futures::future::LocalBoxFuture;
use web_time::Instant;

pub(super) use decoder::CpuDecoder;
pub(super) use encoder::CpuEncoder;
pub(super) use listener::CpuListener;
#[cfg(not(target_family = "wasm"))]
pub use native_threads::NativeThreads;
pub(super) use ops::activate;
use thread_pool::Crew;
pub use thread_pool::{COMMAND_WORDS, Helper, HelperThreads, MAX_PAYLOAD_BYTES, MAX_REPLY_FLOATS, NativeSendSync};
pub(super) use tower::CpuTower;
pub(super) use weights::CpuWeights;

use super::limits::DeviceLimits;

/// Seconds of work between two pauses.
const PAUSE_INTERVAL_SECONDS: f64 = 0.03;

/// The CPU as a device.
#[derive(Clone)]
pub struct Cpu {
    /// Lets pending messages and timers on this thread run.
    pause: fn() -> LocalBoxFuture<'static, ()>,
    /// Helper threads for matrix products.
    threads: Option<Arc<Crew>>,
    name: String,
}

impl Cpu {
    /// A CPU whose thread also handles other events: `pause` is awaited several times a second to let them run.
    pub fn new(pause: fn() -> LocalBoxFuture<'static, ()>) -> Self {
        Self { pause, threads: None, name: "CPU".to_owned() }
    }

    /// A CPU whose thread does nothing else, so that computations never pause.
    pub fn blocking() -> Self {
        Self::new(|| Box::pin(std::future::ready(())))
    }

    /// The same CPU with helper threads for matrix products. Of the models that share them, only one at a time may
    /// compute or be loaded.
    #[must_use]
    pub fn with_threads(self, threads: Arc<dyn HelperThreads>) -> Self {
        match threads.count() {
            0 => self,
            helpers => Self {
                threads: Some(Arc::new(Crew::new(threads))),
                name: format!("CPU, {} threads", helpers + 1),
                ..self
            },
        }
    }

    /// The human-readable name of the device.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A wasm module has 4 GiB of memory, and one allocation can take at most half of it.
    pub fn limits(&self) -> DeviceLimits {
        DeviceLimits { max_binding_bytes: 1 << 30 }
    }

    fn pacer(&self) -> Pacer {
        Pacer { cpu: self.clone(), last_pause: Cell::new(Instant::now()) }
    }
}

/// Pauses a computation at regular intervals. It lives as long as the loaded model, since a token may take less than an
/// interval.
struct Pacer {
    cpu: Cpu,
    last_pause: Cell<Instant>,
}

impl Pacer {
    async fn pause_if_due(&self) {
        if self.last_pause.get().elapsed().as_secs_f64() >= PAUSE_INTERVAL_SECONDS {
            (self.cpu.pause)().await;
            self.last_pause.set(Instant::now());
        }
    }
}

/// Fails unless values differ from the expected ones by at most 1e-5 of the largest expected one.
#[cfg(test)]
fn assert_close(actual: &[f32], expected: &[f32]) {
    assert_eq!(actual.len(), expected.len());
    let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    for (actual, expected) in actual.iter().zip(expected) {
        assert!((actual - expected).abs() <= 1e-5 * largest, "{actual}, not {expected}");
    }
}

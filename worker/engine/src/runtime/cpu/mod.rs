//! Models on the CPU, for browsers without WebGPU and adapters that only pretend to be a graphics card.
//!
//! Weights stay in their integers ([`crate::gguf::IntegerBlock`]); activations are rounded to 16 bits for each 32 of them,
//! which costs no more than 8 bits where the widest product of integers is one of 16 bits, as in wasm, and keeps logits as
//! exact as on the GPU. What is small goes through the kernels' twins in [`crate::reference`].

mod activations;
mod attention;
mod crew;
mod decoder;
mod encoder;
mod layers;
mod matrix;
mod sampler;
mod shard;
#[cfg(not(target_family = "wasm"))]
mod threads;
mod weights;

use std::cell::Cell;
use std::sync::Arc;

use futures::future::LocalBoxFuture;
use web_time::Instant;

pub use crew::{Link, MAX_PAYLOAD_BYTES, MAX_REPLY_FLOATS, Member, ORDER_WORDS};
pub(super) use decoder::CpuModel;
pub(super) use encoder::CpuEncoder;
pub(super) use matrix::reserved;
#[cfg(not(target_family = "wasm"))]
pub use threads::Threads;
pub(super) use weights::CpuWeights;

use crate::fit::DeviceLimits;

/// Seconds of work after which others get a turn.
const TURN_SECONDS: f64 = 0.03;

/// The CPU as a device.
#[derive(Clone)]
pub struct Cpu {
    /// Gives a turn to whatever else runs on this thread.
    pause: fn() -> LocalBoxFuture<'static, ()>,
    /// Other threads that share the work.
    crew: Option<Arc<dyn Link>>,
    name: String,
}

impl Cpu {
    /// A CPU whose thread has other things to do: `pause` lets them happen, several times a second.
    pub fn new(pause: fn() -> LocalBoxFuture<'static, ()>) -> Self {
        Self { pause, crew: None, name: "CPU".to_owned() }
    }

    /// A CPU whose thread has nothing else to do.
    pub fn blocking() -> Self {
        Self::new(|| Box::pin(std::future::ready(())))
    }

    /// The same, with other threads for the products of one model at a time.
    #[must_use]
    pub fn with_crew(self, crew: Arc<dyn Link>) -> Self {
        match crew.members() {
            0 => self,
            members => Self { crew: Some(crew), name: format!("CPU, {} threads", members + 1), ..self },
        }
    }

    /// What it is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The memory of a wasm module has 4 GiB, and an allocation half of that.
    pub fn limits(&self) -> DeviceLimits {
        DeviceLimits { max_binding_bytes: 1 << 30 }
    }

    fn pacer(&self) -> Pacer {
        Pacer { cpu: self.clone(), turn: Cell::new(Instant::now()) }
    }
}

/// Gives others a turn from time to time. It lasts as long as its model: a token may take less than a turn.
struct Pacer {
    cpu: Cpu,
    turn: Cell<Instant>,
}

impl Pacer {
    async fn pause_if_due(&self) {
        if self.turn.get().elapsed().as_secs_f64() >= TURN_SECONDS {
            (self.cpu.pause)().await;
            self.turn.set(Instant::now());
        }
    }
}

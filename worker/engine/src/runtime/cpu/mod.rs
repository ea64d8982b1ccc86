//! Models on the CPU, for browsers without WebGPU and adapters that only pretend to be a graphics card.
//!
//! Weights stay in their integers ([`crate::gguf::IntegerBlock`]); activations are rounded to 16 bits for each 32 of them,
//! which costs no more than 8 bits where the widest product of integers is one of 16 bits, as in wasm, and keeps logits as
//! exact as on the GPU. What is small goes through the kernels' twins in [`crate::reference`].

mod activations;
mod attention;
mod decoder;
mod encoder;
mod layers;
mod matrix;
mod sampler;
mod weights;

use std::cell::Cell;

use futures::future::LocalBoxFuture;
use web_time::Instant;

pub(super) use decoder::CpuModel;
pub(super) use encoder::CpuEncoder;
pub(super) use weights::CpuWeights;

use crate::fit::DeviceLimits;

/// Seconds of work after which others get a turn.
const TURN_SECONDS: f64 = 0.03;

/// The CPU as a device.
#[derive(Debug, Clone, Copy)]
pub struct Cpu {
    /// Gives a turn to whatever else runs on this thread.
    pause: fn() -> LocalBoxFuture<'static, ()>,
}

impl Cpu {
    /// A CPU whose thread has other things to do: `pause` lets them happen, several times a second.
    pub fn new(pause: fn() -> LocalBoxFuture<'static, ()>) -> Self {
        Self { pause }
    }

    /// A CPU whose thread has nothing else to do.
    pub fn blocking() -> Self {
        Self::new(|| Box::pin(std::future::ready(())))
    }

    /// The memory of a wasm module has 4 GiB, and an allocation half of that.
    pub fn limits(self) -> DeviceLimits {
        DeviceLimits { max_binding_bytes: 1 << 30 }
    }

    fn pacer(self) -> Pacer {
        Pacer { cpu: self, turn: Cell::new(Instant::now()) }
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

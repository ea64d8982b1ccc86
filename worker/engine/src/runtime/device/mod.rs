//! The device that a model runs on: a GPU, or the CPU.

#[cfg(not(feature = "gpu"))]
mod absent;
#[cfg(all(target_family = "wasm", feature = "gpu"))]
mod browser_features;
#[cfg(all(target_family = "wasm", feature = "gpu"))]
mod browser_pipelines;
#[cfg(feature = "gpu")]
mod dispatch;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(feature = "gpu")]
mod kernels;
#[cfg(feature = "gpu")]
mod pipeline;
#[cfg(feature = "gpu")]
mod tuning;

#[cfg(feature = "gpu")]
pub use dispatch::Dispatch;
#[cfg(feature = "gpu")]
pub(super) use dispatch::Task;
#[cfg(feature = "gpu")]
pub(super) use gpu::Mapping;
#[cfg(feature = "gpu")]
pub(super) use gpu::Readback;
#[cfg(feature = "gpu")]
pub use gpu::{Gpu, GpuOptions};
#[cfg(feature = "gpu")]
pub use tuning::{AttentionSplits, Tuning};

#[cfg(not(feature = "gpu"))]
pub use absent::Gpu;
#[cfg(not(feature = "gpu"))]
pub(super) use absent::{Buffer, Dispatch};

use super::cpu::Cpu;
use super::limits::DeviceLimits;
use crate::error::Result;
use crate::models::CacheFormat;

/// A GPU or the CPU.
#[derive(Clone)]
pub enum Device {
    /// A GPU, through WebGPU. Without the crate's feature `gpu` there is none.
    Gpu(Gpu),
    /// The CPU, without WebGPU.
    Cpu(Cpu),
}

impl From<Gpu> for Device {
    fn from(gpu: Gpu) -> Self {
        Self::Gpu(gpu)
    }
}

impl From<Cpu> for Device {
    fn from(cpu: Cpu) -> Self {
        Self::Cpu(cpu)
    }
}

impl Device {
    /// Human-readable name of the adapter. Browsers do not reveal the CPU's.
    pub fn adapter_name(&self) -> &str {
        match self {
            Self::Gpu(gpu) => gpu.adapter_name(),
            Self::Cpu(cpu) => cpu.name(),
        }
    }

    /// Whether this is a WebGPU adapter in software.
    pub fn is_software(&self) -> bool {
        matches!(self, Self::Gpu(gpu) if gpu.is_software())
    }

    /// Whether this is the CPU, without WebGPU.
    pub fn is_cpu(&self) -> bool {
        matches!(self, Self::Cpu(_))
    }

    /// Names of the optional GPU features in use.
    pub fn feature_names(&self) -> Vec<&'static str> {
        match self {
            Self::Gpu(gpu) => gpu.feature_names(),
            Self::Cpu(_) => Vec::new(),
        }
    }

    /// The KV cache format to use. On the CPU the cache is f32, and the default format is reported.
    pub fn cache_format(&self, requested: CacheFormat) -> CacheFormat {
        if self.is_cpu() { CacheFormat::default() } else { requested }
    }

    /// Limits that models must fit.
    pub fn limits(&self) -> DeviceLimits {
        match self {
            Self::Gpu(gpu) => gpu.limits(),
            Self::Cpu(cpu) => cpu.limits(),
        }
    }

    /// The GPU, if this is one.
    pub fn gpu(&self) -> Option<&Gpu> {
        match self {
            Self::Gpu(gpu) => Some(gpu),
            Self::Cpu(_) => None,
        }
    }

    /// Runs `allocate`, noticing on a GPU whether memory ran out.
    ///
    /// # Errors
    /// [`EngineError::OutOfMemory`](crate::EngineError::OutOfMemory), errors of `allocate`, or whatever the GPU reported.
    pub(super) async fn allocating<T>(&self, allocate: impl FnOnce() -> Result<T>) -> Result<T> {
        match self {
            Self::Gpu(gpu) => gpu.allocating(allocate).await,
            Self::Cpu(_) => allocate(),
        }
    }
}

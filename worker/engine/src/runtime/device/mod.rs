//! The device that a model runs on: a GPU, or the CPU.

#[cfg(target_family = "wasm")]
mod browser_pipelines;
#[cfg(target_family = "wasm")]
mod browser_subgroups;
mod dispatch;
mod gpu;
mod kernels;
mod pipeline;
mod tuning;

pub use dispatch::Dispatch;
pub(super) use dispatch::Task;
pub(super) use gpu::Mapping;
pub(super) use gpu::Readback;
pub use gpu::{Gpu, GpuOptions};
pub use tuning::{AttentionSplits, Tuning};

use super::cpu::Cpu;
use super::limits::DeviceLimits;
use crate::error::{EngineError, Result};
use crate::models::CacheFormat;

/// A GPU or the CPU.
#[derive(Clone)]
pub enum Device {
    /// A GPU, through WebGPU.
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
}

/// Runs `allocate`. On a GPU, an error scope detects whether memory ran out.
///
/// # Errors
/// [`EngineError::OutOfMemory`], errors of `allocate`, or whatever the GPU reported.
pub(super) async fn allocating<T>(gpu: Option<&Gpu>, allocate: impl FnOnce() -> Result<T>) -> Result<T> {
    let Some(gpu) = gpu else { return allocate() };
    let scope = gpu.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let result = allocate();
    if let Some(error) = scope.pop().await {
        return Err(EngineError::OutOfMemory(error.to_string()));
    }
    gpu.check()?;
    result
}

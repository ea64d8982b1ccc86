//! What a model runs on: a graphics card with its kernels, or the CPU.

#[cfg(target_family = "wasm")]
mod browser_pipelines;
#[cfg(target_family = "wasm")]
mod browser_subgroups;
mod dispatch;
mod gpu;
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

/// A graphics card, or the CPU.
#[derive(Clone)]
pub enum Device {
    /// Through WebGPU.
    Gpu(Gpu),
    /// Without it.
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
    /// The adapter's name for people. A browser does not tell the CPU's.
    pub fn adapter_name(&self) -> &str {
        match self {
            Self::Gpu(gpu) => gpu.adapter_name(),
            Self::Cpu(cpu) => cpu.name(),
        }
    }

    /// Whether this is a WebGPU adapter that computes on the CPU.
    pub fn is_software(&self) -> bool {
        matches!(self, Self::Gpu(gpu) if gpu.is_software())
    }

    /// Whether there is no WebGPU in between.
    pub fn is_cpu(&self) -> bool {
        matches!(self, Self::Cpu(_))
    }

    /// Names of the optional features that are in use.
    pub fn feature_names(&self) -> Vec<&'static str> {
        match self {
            Self::Gpu(gpu) => gpu.feature_names(),
            Self::Cpu(_) => Vec::new(),
        }
    }

    /// The form of keys and values for a wish: on the CPU they are whole floats, whose length is told as that of the default.
    pub fn cache_format(&self, wished: CacheFormat) -> CacheFormat {
        if self.is_cpu() { CacheFormat::default() } else { wished }
    }

    /// What models must fit.
    pub fn limits(&self) -> DeviceLimits {
        match self {
            Self::Gpu(gpu) => gpu.limits(),
            Self::Cpu(cpu) => cpu.limits(),
        }
    }

    /// The graphics card.
    pub fn gpu(&self) -> Option<&Gpu> {
        match self {
            Self::Gpu(gpu) => Some(gpu),
            Self::Cpu(_) => None,
        }
    }
}

/// Does what allocates on a GPU, if there is one, and hears whether it had the memory.
///
/// # Errors
/// [`EngineError::OutOfMemory`], those of `allocate`, or whatever the GPU reported.
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

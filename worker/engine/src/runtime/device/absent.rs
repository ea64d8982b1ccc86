//! Stands in for GPUs in builds without the feature `gpu`. No value of these types exists.

use crate::error::Result;
use crate::runtime::limits::DeviceLimits;

/// A GPU. There is none in this build.
#[derive(Debug, Clone)]
pub enum Gpu {}

/// A dispatch on a GPU.
pub(in crate::runtime) enum Dispatch {}

/// Memory of a GPU.
pub(in crate::runtime) enum Buffer {}

impl Gpu {
    /// Human-readable name of the adapter.
    pub fn adapter_name(&self) -> &str {
        match *self {}
    }

    /// Whether the adapter computes in software.
    pub fn is_software(&self) -> bool {
        match *self {}
    }

    /// Names of the optional features in use.
    pub fn feature_names(&self) -> Vec<&'static str> {
        match *self {}
    }

    /// Limits that models must fit.
    pub fn limits(&self) -> DeviceLimits {
        match *self {}
    }

    pub(in crate::runtime) fn for_batches(&self, _tokens: u32) -> Self {
        match *self {}
    }

    pub(in crate::runtime) async fn allocating<T>(&self, _allocate: impl FnOnce() -> Result<T>) -> Result<T> {
        match *self {}
    }

    pub(in crate::runtime) async fn compile(&self) {
        match *self {}
    }
}

//! The kernels of a device, compiled on first use or many in parallel ahead of time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::pipeline::Kernel;
#[cfg(target_family = "wasm")]
use crate::kernels::in_chromium;
use crate::kernels::{Shader, expand};

/// Edits the source of a kernel.
pub(super) type Edit = fn(&Shader, String) -> String;

/// All kernels of a device.
pub(super) struct Kernels {
    compiled: Mutex<HashMap<Shader, Arc<Kernel>>>,
    edit: Option<Edit>,
}

impl Kernels {
    /// No kernels yet. `edit` edits their source before compilation.
    pub(super) fn new(edit: Option<Edit>) -> Self {
        Self { compiled: Mutex::default(), edit }
    }

    /// The kernel for `shader`.
    pub(super) fn get(&self, device: &wgpu::Device, shader: &Shader) -> Arc<Kernel> {
        let mut kernels = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kernel) = kernels.get(shader) {
            return Arc::clone(kernel);
        }
        let text = expand(shader);
        #[cfg(target_family = "wasm")]
        let text = in_chromium(&text).unwrap_or(text);
        let text = match self.edit {
            Some(edit) => edit(shader, text),
            None => text,
        };
        let kernel = Arc::new(Kernel::new(device, shader, text));
        kernels.insert(shader.clone(), Arc::clone(&kernel));
        kernel
    }

    /// Compiles all kernels that are not compiled yet, in parallel.
    pub(super) async fn compile(&self) {
        let waiting = |kernel: &&Arc<Kernel>| kernel.pipeline.get().is_none();
        let kernels: Vec<_> = {
            let kernels = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
            kernels.values().filter(waiting).cloned().collect()
        };
        compile_all(&kernels).await;
    }
}

#[cfg(target_family = "wasm")]
async fn compile_all(kernels: &[Arc<Kernel>]) {
    if let Some(kernel) = kernels.first() {
        super::browser_pipelines::compile(&kernel.device, kernels).await;
    }
}

#[cfg(not(target_family = "wasm"))]
#[allow(clippy::unused_async, reason = "compilation is asynchronous in browsers")]
async fn compile_all(kernels: &[Arc<Kernel>]) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for kernels in kernels.chunks(kernels.len().div_ceil(threads).max(1)) {
            scope.spawn(move || {
                for kernel in kernels {
                    kernel.pipeline();
                }
            });
        }
    });
}

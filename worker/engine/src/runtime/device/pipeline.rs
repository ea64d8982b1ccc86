//! Compiled kernels: each when it is first encoded, or many at once before.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::kernels::{Access, BoundVariable, Shader, bound_variables, expand};

/// A kernel that may be compiled already.
pub(in crate::runtime) struct Kernel {
    device: wgpu::Device,
    shader: Shader,
    variables: Vec<BoundVariable>,
    module: wgpu::ShaderModule,
    bind_group_layout: wgpu::BindGroupLayout,
    layout: wgpu::PipelineLayout,
    pipeline: OnceLock<wgpu::ComputePipeline>,
}

fn layout_entry(variable: &BoundVariable) -> wgpu::BindGroupLayoutEntry {
    let ty = match variable.access {
        Access::Uniform => wgpu::BufferBindingType::Uniform,
        Access::Read => wgpu::BufferBindingType::Storage { read_only: true },
        Access::ReadWrite => wgpu::BufferBindingType::Storage { read_only: false },
    };
    wgpu::BindGroupLayoutEntry {
        binding: variable.number,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    }
}

impl Kernel {
    fn new(device: &wgpu::Device, shader: &Shader, text: String) -> Self {
        let variables = bound_variables(&text);
        let entries: Vec<_> = variables.iter().map(layout_entry).collect();
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(shader.file),
            source: wgpu::ShaderSource::Wgsl(text.into()),
        });
        let bind_group_layout = device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(shader.file), entries: &entries });
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(shader.file),
            bind_group_layouts: &[Some(&bind_group_layout)],
            immediate_size: 0,
        });
        let shader = shader.clone();
        Self { device: device.clone(), shader, variables, module, bind_group_layout, layout, pipeline: OnceLock::new() }
    }

    /// What buffers are bound to.
    pub(super) fn variables(&self) -> &[BoundVariable] {
        &self.variables
    }

    /// The layout of its bind groups.
    pub(super) fn bind_group_layout(&self) -> &wgpu::BindGroupLayout {
        &self.bind_group_layout
    }

    /// What it is compiled from.
    pub(super) fn shader(&self) -> &Shader {
        &self.shader
    }

    /// The pipeline, which is compiled if it is not yet.
    pub(super) fn pipeline(&self) -> &wgpu::ComputePipeline {
        self.pipeline.get_or_init(|| self.create())
    }

    /// Compiles it.
    pub(super) fn create(&self) -> wgpu::ComputePipeline {
        self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(self.shader.file),
            layout: Some(&self.layout),
            module: &self.module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                // No kernel reads workgroup memory that it has not written.
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        })
    }
}

/// Changes the text of a kernel.
pub(super) type Edit = fn(&Shader, String) -> String;

/// All kernels of a device.
pub(super) struct Kernels {
    compiled: Mutex<HashMap<Shader, Arc<Kernel>>>,
    edit: Option<Edit>,
}

impl Kernels {
    /// None yet. Their text is changed by `edit` before it is compiled.
    pub(super) fn new(edit: Option<Edit>) -> Self {
        Self { compiled: Mutex::default(), edit }
    }

    /// The kernel of `shader`.
    pub(super) fn get(&self, device: &wgpu::Device, shader: &Shader) -> Arc<Kernel> {
        let mut kernels = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kernel) = kernels.get(shader) {
            return Arc::clone(kernel);
        }
        let text = expand(shader);
        let text = match self.edit {
            Some(edit) => edit(shader, text),
            None => text,
        };
        let kernel = Arc::new(Kernel::new(device, shader, text));
        kernels.insert(shader.clone(), Arc::clone(&kernel));
        kernel
    }

    /// Compiles those that are not yet, side by side.
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
#[allow(clippy::unused_async, reason = "in a browser there is something to wait for")]
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

//! A kernel and its pipeline.

use std::sync::OnceLock;

use crate::kernels::{Access, BoundVariable, Shader, bound_variables};

/// A kernel, compiled or not.
pub(in crate::runtime) struct Kernel {
    pub(super) device: wgpu::Device,
    shader: Shader,
    variables: Vec<BoundVariable>,
    module: wgpu::ShaderModule,
    bind_group_layout: wgpu::BindGroupLayout,
    layout: wgpu::PipelineLayout,
    pub(super) pipeline: OnceLock<wgpu::ComputePipeline>,
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
    pub(super) fn new(device: &wgpu::Device, shader: &Shader, text: String) -> Self {
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

    /// The variables that buffers are bound to.
    pub(super) fn variables(&self) -> &[BoundVariable] {
        &self.variables
    }

    /// The layout of its bind groups.
    pub(super) fn bind_group_layout(&self) -> &wgpu::BindGroupLayout {
        &self.bind_group_layout
    }

    /// The shader it is compiled from.
    pub(super) fn shader(&self) -> &Shader {
        &self.shader
    }

    /// The pipeline, compiled if necessary.
    pub(super) fn pipeline(&self) -> &wgpu::ComputePipeline {
        self.pipeline.get_or_init(|| self.create())
    }

    /// Compiles the pipeline.
    pub(super) fn create(&self) -> wgpu::ComputePipeline {
        self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(self.shader.file),
            layout: Some(&self.layout),
            module: &self.module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                // No kernel reads workgroup memory before writing it.
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        })
    }
}

//! Dispatches prepared once and encoded many times.

use std::sync::Arc;

use super::gpu::Gpu;
use super::kernel::Kernel;
use crate::kernels::Shader;
use crate::kernels::attention::Attention;
use crate::kernels::embed::Embed;
use crate::kernels::linear::Linear;

/// A buffer bound to a kernel.
#[derive(Clone, Copy)]
pub enum Binding<'a> {
    /// `var<uniform>`
    Uniform(&'a wgpu::Buffer),
    /// `var<storage, read>`
    Read(&'a wgpu::Buffer),
    /// `var<storage, read_write>`
    Write(&'a wgpu::Buffer),
}

impl Binding<'_> {
    fn buffer(&self) -> &wgpu::Buffer {
        match self {
            Self::Uniform(buffer) | Self::Read(buffer) | Self::Write(buffer) => buffer,
        }
    }

    fn ty(&self) -> wgpu::BufferBindingType {
        match self {
            Self::Uniform(_) => wgpu::BufferBindingType::Uniform,
            Self::Read(_) => wgpu::BufferBindingType::Storage { read_only: true },
            Self::Write(_) => wgpu::BufferBindingType::Storage { read_only: false },
        }
    }
}

/// Workgroups of a dispatch, which may depend on the number of tokens in the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grid {
    /// Always the same.
    Fixed([u32; 3]),
    /// One in x a token.
    TokensInX,
    /// This many in x, one in y a token, this many in z.
    TokensInY {
        /// Workgroups in x.
        x: u32,
        /// Workgroups in z.
        z: u32,
    },
    /// These in x and y, in z `groups_per_token` for each `tokens_per_group` tokens.
    TokensInZ {
        /// Workgroups in x and y.
        xy: [u32; 2],
        /// Tokens that a workgroup serves.
        tokens_per_group: u32,
        /// Workgroups that serve a token.
        groups_per_token: u32,
    },
}

impl Grid {
    /// The workgroups for a batch of `tokens`.
    pub fn workgroups(self, tokens: u32) -> [u32; 3] {
        match self {
            Self::Fixed(grid) => grid,
            Self::TokensInX => [tokens, 1, 1],
            Self::TokensInY { x, z } => [x, tokens, z],
            Self::TokensInZ { xy: [x, y], tokens_per_group, groups_per_token } => {
                [x, y, tokens.div_ceil(tokens_per_group) * groups_per_token]
            }
        }
    }
}

/// What a kernel computes, where its twin can do the same with other inputs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Task {
    /// A matrix product, whose input is RMS-normalised with this epsilon, by the kernel or by one before it.
    Product(Linear, Option<f32>),
    /// Attention.
    Attention(Attention),
    /// Attention that multiplies its query, key and value by itself.
    Projected(Attention, Linear),
    /// A look-up in a table.
    Embed(Embed),
}

/// A kernel with its buffers. It is compiled when it is encoded for the first time, if it was not before.
pub struct Dispatch {
    /// What it computes, for people.
    kernel: String,
    task: Option<Task>,
    /// Bytes of the matrix that it reads, if it reads one.
    weight_bytes: u64,
    compiled: Arc<Kernel>,
    bind_group: wgpu::BindGroup,
    grid: Grid,
}

impl Dispatch {
    /// Takes the kernel of `shader` and binds `bindings`, by binding number.
    pub fn new(gpu: &Gpu, shader: &Shader, bindings: &[(u32, Binding<'_>)], grid: Grid) -> Self {
        let layout_entries: Vec<_> = bindings
            .iter()
            .map(|(number, binding)| wgpu::BindGroupLayoutEntry {
                binding: *number,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer { ty: binding.ty(), has_dynamic_offset: false, min_binding_size: None },
                count: None,
            })
            .collect();
        let layout = gpu.device().create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(shader.file),
            entries: &layout_entries,
        });
        let entries: Vec<_> = bindings
            .iter()
            .map(|(number, binding)| wgpu::BindGroupEntry {
                binding: *number,
                resource: binding.buffer().as_entire_binding(),
            })
            .collect();
        let bind_group = gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(shader.file),
            layout: &layout,
            entries: &entries,
        });
        let compiled = gpu.kernel(shader, &layout);
        Self { kernel: shader.name(), task: None, weight_bytes: 0, compiled, bind_group, grid }
    }

    /// Notes what it computes.
    #[must_use]
    pub(super) fn computing(self, task: Task) -> Self {
        Self { task: Some(task), ..self }
    }

    /// Notes that its product is a part of `attention`.
    #[must_use]
    pub(super) fn within(self, attention: Attention) -> Self {
        let task = match self.task {
            Some(Task::Product(linear, _)) => Some(Task::Projected(attention, linear)),
            other => other,
        };
        Self { task, ..self }
    }

    /// What it computes, if that is noted.
    pub(super) fn task(&self) -> Option<&Task> {
        self.task.as_ref()
    }

    /// What its kernel is compiled from.
    pub(super) fn shader(&self) -> &Shader {
        self.compiled.shader()
    }

    /// Notes how many bytes of a matrix it reads.
    #[must_use]
    pub(super) fn reading(self, weight_bytes: u64) -> Self {
        Self { weight_bytes, ..self }
    }

    /// What it computes, for people.
    pub(super) fn kernel(&self) -> &str {
        &self.kernel
    }

    /// Bytes of the matrix that it reads, if it reads one.
    pub(super) fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    /// Tells dispatches of different kernels or grids apart, for as long as the kernels live.
    pub(super) fn identity(&self) -> (usize, Grid) {
        (Arc::as_ptr(&self.compiled).addr(), self.grid)
    }

    /// Adds the dispatch to a pass, for a batch of `tokens`.
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>, tokens: u32) {
        let [x, y, z] = self.grid.workgroups(tokens);
        pass.set_pipeline(self.compiled.pipeline());
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(x, y, z);
    }
}

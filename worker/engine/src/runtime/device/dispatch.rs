//! Dispatches prepared once and encoded many times.

use std::sync::Arc;

use super::gpu::Gpu;
use super::pipeline::Kernel;
use crate::kernels::attention::Attention;
use crate::kernels::embed::Embed;
use crate::kernels::linear::Linear;
use crate::kernels::{Grid, Shader};

/// What a kernel computes, where its reference implementation can do the same with other inputs.
#[derive(Debug, Clone, Copy)]
pub(in crate::runtime) enum Task {
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
    /// The kernel of `shader` with a buffer for each of its variables, by name.
    ///
    /// # Panics
    /// If a variable of the kernel has no buffer: a fault of this crate, which every test of the kernel shows.
    pub fn new(gpu: &Gpu, shader: &Shader, buffers: &[(&str, &wgpu::Buffer)], grid: Grid) -> Self {
        let compiled = gpu.kernel(shader);
        let variables = compiled.variables();
        debug_assert!(
            buffers.iter().all(|(name, _)| variables.iter().any(|variable| variable.name == *name)),
            "{} has no such variable: {:?}",
            shader.file,
            buffers.iter().map(|(name, _)| name).collect::<Vec<_>>()
        );
        let entries: Vec<_> = variables
            .iter()
            .map(|variable| {
                let Some((_, buffer)) = buffers.iter().find(|(name, _)| variable.name == *name) else {
                    unreachable!("{} has no buffer for {}", shader.file, variable.name);
                };
                wgpu::BindGroupEntry { binding: variable.number, resource: buffer.as_entire_binding() }
            })
            .collect();
        let bind_group = gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(shader.file),
            layout: compiled.bind_group_layout(),
            entries: &entries,
        });
        Self { kernel: shader.name(), task: None, weight_bytes: 0, compiled, bind_group, grid }
    }

    /// Notes what it computes.
    #[must_use]
    pub(in crate::runtime) fn computing(self, task: Task) -> Self {
        Self { task: Some(task), ..self }
    }

    /// Notes that its product is a part of `attention`.
    #[must_use]
    pub(in crate::runtime) fn within(self, attention: Attention) -> Self {
        let task = match self.task {
            Some(Task::Product(linear, _)) => Some(Task::Projected(attention, linear)),
            other => other,
        };
        Self { task, ..self }
    }

    /// What it computes, if that is noted.
    pub(in crate::runtime) fn task(&self) -> Option<&Task> {
        self.task.as_ref()
    }

    /// What its kernel is compiled from.
    pub(in crate::runtime) fn shader(&self) -> &Shader {
        self.compiled.shader()
    }

    /// Notes how many bytes of a matrix it reads.
    #[must_use]
    pub(in crate::runtime) fn reading(self, weight_bytes: u64) -> Self {
        Self { weight_bytes, ..self }
    }

    /// What it computes, for people.
    pub(in crate::runtime) fn kernel(&self) -> &str {
        &self.kernel
    }

    /// Bytes of the matrix that it reads, if it reads one.
    pub(in crate::runtime) fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    /// Tells dispatches of different kernels or grids apart, for as long as the kernels live.
    pub(in crate::runtime) fn identity(&self) -> (usize, Grid) {
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

//! Dispatches: prepared once, encoded many times.

use std::sync::Arc;

use super::gpu::Gpu;
use super::pipeline::Kernel;
use crate::kernels::attention::Attention;
use crate::kernels::attention::latent::Latent;
use crate::kernels::convolution::Convolution;
use crate::kernels::delta_net::DeltaNet;
use crate::kernels::embed::Embed;
use crate::kernels::experts::{ExpertSum, Router};
use crate::kernels::linear::Linear;
use crate::kernels::norm::{AddNorm, GateCutoff, GatedNorm, HeadNormKernel, LayerNorm};
use crate::kernels::rows::{AddRows, Clamp, MeanRows};
use crate::kernels::state_space::StateSpace;
use crate::kernels::streams::Streams;
use crate::kernels::{Grid, Shader};
use crate::models::{Activation, ExpertConfig, HeadShape};

/// What a dispatch computes, for the self-test, which repeats it with other inputs and compares with the reference.
#[derive(Debug, Clone, Copy)]
pub(in crate::runtime) enum Task {
    /// A matrix product. If an epsilon is given, its input is RMS-normalised, by this kernel or the one before.
    Product(Linear, Option<f32>),
    /// Attention.
    Attention(Attention),
    /// Attention that multiplies its own query, key and value.
    Projected(Attention, Linear),
    /// A lookup in an embedding table.
    Embed(Embed),
    /// The gates of attention's output, in rows of this length.
    AttentionGate(HeadShape, u32),
    /// Norms, RoPE and the append to the cache.
    HeadNorm(HeadNormKernel),
    /// Norm, RoPE and the append to the cache before latent attention.
    Latent(Latent),
    /// A norm that is added.
    AddNorm(AddNorm),
    /// A norm of whole vectors.
    LayerNorm(LayerNorm),
    /// The cutoff of gates.
    GateCutoff(GateCutoff),
    /// A step with the vectors of a hidden state.
    Streams(Streams),
    /// A norm with gates.
    GatedNorm(GatedNorm),
    /// A convolution. For one token it updates its state.
    Convolution(Convolution),
    /// The update of a convolution's state.
    ConvolutionState(Convolution),
    /// The gated delta rule.
    DeltaNet(DeltaNet),
    /// A state space.
    StateSpace(StateSpace),
    /// The choice of experts.
    Router(Router),
    /// The lists of slots by expert.
    Group(ExpertConfig),
    /// The sum of the experts' outputs.
    ExpertSum(ExpertSum),
    /// The addition of parts of rows.
    AddRows(AddRows),
    /// The mean of rows.
    MeanRows(MeanRows),
    /// Parts of rows within bounds.
    Clamp(Clamp),
    /// Gated rows of this length.
    GateRows(u32, Activation),
}

/// A kernel with its buffers. It is compiled when first encoded, unless it was compiled before.
pub struct Dispatch {
    /// Human-readable name of the kernel.
    kernel: String,
    task: Option<Task>,
    /// Bytes of weights that it reads.
    weight_bytes: u64,
    compiled: Arc<Kernel>,
    bind_group: wgpu::BindGroup,
    grid: Grid,
}

impl Dispatch {
    /// The kernel for `shader`, with a buffer for each of its variables, by name.
    ///
    /// # Panics
    /// If a variable has no buffer. That is a bug in this crate, which every test of the kernel reveals.
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

    /// Records what it computes.
    #[must_use]
    pub(in crate::runtime) fn computing(self, task: Task) -> Self {
        Self { task: Some(task), ..self }
    }

    /// Records that its product is part of `attention`.
    #[must_use]
    pub(in crate::runtime) fn within(self, attention: Attention) -> Self {
        let task = match self.task {
            Some(Task::Product(linear, _)) => Some(Task::Projected(attention, linear)),
            other => other,
        };
        Self { task, ..self }
    }

    /// What it computes, if recorded.
    pub(in crate::runtime) fn task(&self) -> Option<&Task> {
        self.task.as_ref()
    }

    /// The shader its kernel is compiled from.
    pub(in crate::runtime) fn shader(&self) -> &Shader {
        self.compiled.shader()
    }

    /// Records how many bytes of weights it reads for one token, or for a batch that shares them.
    #[must_use]
    pub(in crate::runtime) fn reading(self, weight_bytes: u64) -> Self {
        Self { weight_bytes, ..self }
    }

    /// Human-readable name of the kernel.
    pub(in crate::runtime) fn kernel(&self) -> &str {
        &self.kernel
    }

    /// Bytes of weights that it reads.
    pub(in crate::runtime) fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    /// Identifies kernel and grid for as long as the kernel lives.
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

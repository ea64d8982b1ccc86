//! The GPU implementation of [`Tower`].

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use web_time::Instant;

use super::buffers::State;
use super::self_test;
use super::tower_buffers::TowerBuffers;
use super::tower_layers::{Builder, Vectors};
use super::weights::Weights;
use crate::error::{EngineError, Result};
use crate::models::{FRAMES_PER_POSITION, ProjectorConfig, ProjectorPlan, TowerTensors};
use crate::runtime::backend::{Tower, TowerInput};
use crate::runtime::device::{Dispatch, Gpu};

/// Longest time in seconds between two reports of progress: short enough for quick stops.
const REPORT_SECONDS: f64 = 0.1;
/// Rows of the picture for which the self-test builds the dispatches: as few as there may be.
const TESTED_ROWS: u32 = 1;

/// A projector with its weights.
pub(in crate::runtime) struct GpuTower {
    gpu: Gpu,
    config: ProjectorConfig,
    plan: ProjectorPlan,
    weights: Arc<Weights>,
    vectors: Vectors,
    /// For the largest picture so far.
    program: Option<Program>,
}

/// Buffers with room for some rows, and the dispatches that use them.
struct Program {
    buffers: TowerBuffers,
    stages: Vec<Stage>,
}

/// What the tokens of a stage are, in the order of their numbers and of [`TowerBuffers::states`].
#[derive(Debug, Clone, Copy)]
enum Over {
    /// Rows of the hidden state.
    Rows,
    /// Embeddings.
    Embeddings,
    /// Frames of a window of sound.
    Frames,
}

/// Dispatches for the same number of tokens.
struct Stage {
    dispatches: Vec<Dispatch>,
    /// What the tokens are.
    over: Over,
    /// A layer ends.
    ends_layer: bool,
}

impl GpuTower {
    pub(in crate::runtime) fn new(
        gpu: &Gpu,
        (config, plan): (&ProjectorConfig, &ProjectorPlan),
        weights: Arc<Weights>,
        tensors: &TowerTensors,
    ) -> Self {
        let buffer = |values: &[f32]| gpu.storage_buffer_with("tower", values);
        let vectors = Vectors {
            bounds: tensors.bounds.iter().map(|(name, bounds)| (name.clone(), buffer(bounds))).collect(),
            head_norms: tensors.head_norms.iter().map(|(name, weights)| (name.clone(), buffer(weights))).collect(),
            ones: buffer(&vec![1.0; config.merged_len() as usize]),
        };
        Self { gpu: gpu.clone(), config: config.clone(), plan: plan.clone(), weights, vectors, program: None }
    }

    /// The program with room for this many rows.
    async fn program(&mut self, rows: u32) -> Result<&Program> {
        // If it is too small, its buffers are freed first, so that there is room for the new ones.
        let program = match self.program.take().filter(|program| program.buffers.rows >= rows) {
            Some(program) => program,
            None => self.gpu.allocating(|| self.new_program(rows)).await?,
        };
        Ok(self.program.insert(program))
    }

    fn new_program(&self, rows: u32) -> Result<Program> {
        let Self { gpu, config, plan, weights, vectors, .. } = self;
        let buffers = TowerBuffers::new(gpu, (config, plan), rows);
        let stages = stages(&Builder { gpu, config, plan, weights, vectors, buffers: &buffers })?;
        Ok(Program { buffers, stages })
    }
}

impl Stage {
    /// Runs it for `counts` of rows, embeddings and frames.
    fn submit(&self, gpu: &Gpu, counts: [u32; 3]) {
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            let count = counts[self.over as usize];
            for dispatch in &self.dispatches {
                dispatch.encode(&mut pass, count);
            }
        }
        gpu.queue().submit([encoder.finish()]);
    }
}

impl Program {
    fn dispatches(&self) -> impl Iterator<Item = &Dispatch> {
        self.stages.iter().flat_map(|stage| &stage.dispatches)
    }

    fn write(&self, gpu: &Gpu, input: &TowerInput<'_>, counts: [u32; 3]) {
        let (buffers, queue) = (&self.buffers, gpu.queue());
        for (buffer, token_count) in buffers.states.iter().zip(counts) {
            let state = State { position: 0, token_count, step: 0, row: 0 };
            queue.write_buffer(buffer, 0, bytemuck::bytes_of(&state));
        }
        let values = buffers.sound.as_ref().map_or(&buffers.patches, |sound| &sound.mel);
        queue.write_buffer(values, 0, bytemuck::cast_slice(input.values));
        queue.write_buffer(&buffers.hidden, 0, bytemuck::cast_slice(input.added));
        queue.write_buffer(&buffers.rope, 0, bytemuck::cast_slice(input.angles));
        queue.write_buffer(&buffers.windows, 0, bytemuck::cast_slice(input.windows));
    }
}

#[async_trait(?Send)]
impl Tower for GpuTower {
    async fn embeddings(
        &mut self,
        input: &TowerInput<'_>,
        on_layer: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Vec<Vec<f32>>> {
        let (gpu, len) = (self.gpu.clone(), u64::from(self.config.embedding_len));
        let rows = input.rows(self.config.width);
        let counts = [rows, input.embeddings, FRAMES_PER_POSITION * rows];
        let program = self.program(counts[0]).await?;
        program.write(&gpu, input, counts);
        let (mut done, mut reported, mut next_report, mut start) = (0, 0, 1, Instant::now());
        for stage in &program.stages {
            stage.submit(&gpu, counts);
            if !stage.ends_layer {
                continue;
            }
            done += 1;
            if done >= next_report {
                gpu.read_buffer::<u32>(&program.buffers.states[0], size_of::<State>() as u64).await?;
                let seconds = start.elapsed().as_secs_f64() / f64::from(done - reported);
                next_report = done + ((REPORT_SECONDS / seconds.max(1e-6)) as u32).max(1);
                (reported, start) = (done, Instant::now());
                if !on_layer(done as usize) {
                    return Err(EngineError::Interrupted);
                }
            }
        }
        let mut embeddings = Vec::new();
        for output in &program.buffers.outputs {
            embeddings.push(gpu.read_buffer(output, u64::from(counts[1]) * len * 4).await?);
        }
        Ok(embeddings)
    }

    async fn pause(&self) -> Result<()> {
        let Some(program) = &self.program else { return Ok(()) };
        // Reading from the GPU is what makes a browser's thread wait for events.
        self.gpu.read_buffer::<u32>(&program.buffers.states[0], 4).await.map(drop)
    }

    async fn kernels_id(&mut self) -> Result<u64> {
        Ok(self_test::kernels_id(self.program(TESTED_ROWS).await?.dispatches()))
    }

    async fn wrong_kernels(&mut self) -> Result<Vec<String>> {
        let gpu = self.gpu.clone();
        let program = self.program(TESTED_ROWS).await?;
        gpu.compile().await;
        self_test::wrong_kernels(&gpu, &program.buffers.kv, program.dispatches(), None).await
    }

    fn make_plain(&mut self) {
        self.gpu = self.gpu.with_tuning(self.gpu.tuning().plain());
        self.program = None;
    }
}

/// The stages that compute a projector.
fn stages(builder: &Builder<'_>) -> Result<Vec<Stage>> {
    let (plan, buffers) = (builder.plan, builder.buffers);
    let rows = |dispatches, ends_layer| Stage { dispatches, over: Over::Rows, ends_layer };
    let merged = |dispatches| Stage { dispatches, over: Over::Embeddings, ends_layer: false };
    let (mut stages, mut start) = (Vec::new(), Vec::new());
    for patches in &plan.patches {
        builder.add(&mut start, patches, &buffers.patches, (None, None))?;
    }
    if let (Some(sound), Some(own)) = (builder.config.sound(), &buffers.sound) {
        stages.push(Stage { dispatches: builder.of_frames(sound, own)?, over: Over::Frames, ends_layer: false });
        start.extend(builder.of_positions(own)?);
    }
    start.extend(plan.pre_norm.map(|norm| builder.norm(norm, &buffers.hidden, None)));
    stages.push(rows(start, false));
    // Those of deepstack follow the main one.
    let mut output = 0;
    for (index, layer) in (0..).zip(&plan.layers) {
        let mut dispatches = Vec::new();
        builder.attention(&mut dispatches, index, layer)?;
        builder.feed_forward(&mut dispatches, layer)?;
        stages.push(rows(dispatches, true));
        if let Some(projection) = &layer.deepstack {
            output += 1;
            stages.push(merged(builder.project(projection, &buffers.outputs[output])?));
        }
    }
    let post_norm = plan.post_norm.map(|norm| builder.norm(norm, &buffers.hidden, None));
    stages.push(rows(post_norm.into_iter().collect(), false));
    stages.push(merged(builder.project(&plan.projection, &buffers.outputs[0])?));
    Ok(stages)
}

//! The GPU implementation of [`Tower`].

use std::sync::Arc;

use async_trait::async_trait;
use web_time::Instant;

use super::buffers::State;
use super::profile;
use super::self_test;
use super::tower_buffers::TowerBuffers;
use super::tower_builder::{Builder, Stage, Vectors};
use super::weights::Weights;
use crate::error::{EngineError, Result};
use crate::models::{ProjectorConfig, ProjectorPlan, TowerTensors};
use crate::runtime::backend::{Tower, TowerOutput};
use crate::runtime::device::{Dispatch, Gpu};
use crate::runtime::measuring::Profile;
use crate::vision::{PatchGrid, PatchInput};

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
    /// What the buffers were last written for.
    grid: Option<Arc<PatchGrid>>,
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
    async fn program(&mut self, rows: u32) -> Result<&mut Program> {
        // If it is too small, its buffers are freed first, so that there is room for the new ones.
        let program = match self.program.take().filter(|program| program.buffers.rows >= rows) {
            Some(program) => program,
            None => self.gpu.allocating(|| self.new_program(rows)).await?,
        };
        Ok(self.program.insert(program))
    }

    fn new_program(&self, rows: u32) -> Result<Program> {
        let Self { config, plan, weights, vectors, .. } = self;
        let tuning = self.gpu.tuning();
        let gpu = &self.gpu.with_tuning(tuning.for_many_tokens());
        let slim = &self.gpu.with_tuning(tuning.for_many_tokens_in_slim_tiles());
        let buffers = TowerBuffers::new(gpu, (config, plan), rows);
        let stages = Builder { gpu, slim, config, plan, weights, vectors, buffers: &buffers }.stages()?;
        Ok(Program { buffers, stages, grid: None })
    }
}

impl Program {
    fn dispatches(&self) -> impl Iterator<Item = &Dispatch> {
        self.stages.iter().flat_map(|stage| &stage.dispatches)
    }

    /// Writes a picture. What it shares with the one before is still there.
    fn write(&mut self, gpu: &Gpu, input: &PatchInput, counts: [u32; 2]) {
        let (buffers, queue, grid) = (&self.buffers, gpu.queue(), &input.grid);
        if !self.grid.as_ref().is_some_and(|known| Arc::ptr_eq(known, grid)) {
            for (buffer, token_count) in buffers.states.iter().zip(counts) {
                let state = State { position: 0, token_count, step: 0, row: 0 };
                queue.write_buffer(buffer, 0, bytemuck::bytes_of(&state));
            }
            queue.write_buffer(&buffers.added, 0, bytemuck::cast_slice(&grid.added));
            queue.write_buffer(&buffers.rope, 0, bytemuck::cast_slice(&grid.angles));
            queue.write_buffer(&buffers.windows, 0, bytemuck::cast_slice(&grid.windows));
        }
        queue.write_buffer(&buffers.patches, 0, bytemuck::cast_slice(&input.patches));
        self.grid = Some(Arc::clone(grid));
        self.restore_hidden(gpu);
    }

    /// Makes the hidden state what patch embeddings are added to.
    fn restore_hidden(&self, gpu: &Gpu) {
        let TowerBuffers { added, hidden, .. } = &self.buffers;
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(added, 0, hidden, 0, hidden.size());
        gpu.queue().submit([encoder.finish()]);
    }
}

#[async_trait(?Send)]
impl Tower for GpuTower {
    async fn embeddings(&mut self, input: &PatchInput, on_layer: &mut dyn FnMut(usize) -> bool) -> Result<TowerOutput> {
        let (gpu, len) = (self.gpu.clone(), self.config.embedding_len as usize);
        let counts = counts(&self.config, &input.grid);
        let output_bytes = u64::from(counts[1]) * len as u64 * 4;
        let program = self.program(counts[0]).await?;
        // Those that no picture needed so far, together.
        gpu.compile().await;
        program.write(&gpu, input, counts);
        let (mut done, mut reported, mut next_report, mut start) = (0, 0, 1, Instant::now());
        let mut outputs = Vec::new();
        for stage in &program.stages {
            stage.submit(&gpu, counts);
            if let Some(output) = stage.output {
                outputs.push(gpu.start_to_read(&program.buffers.outputs[output], 0, output_bytes));
            }
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
        let mut seen = TowerOutput::default();
        // The last one is the main one. The others are copied while the GPU still computes it.
        let for_layers = outputs.len() - 1;
        for (index, output) in outputs.into_iter().enumerate() {
            let (values, _) = output.finish::<f32>(&gpu).await?;
            if index < for_layers {
                seen.put_layer((index, for_layers), &values, len);
            } else {
                seen.rows = values;
            }
        }
        Ok(seen)
    }

    async fn profile(&self, runs: usize) -> Result<Profile> {
        let seen = self.program.as_ref().and_then(|program| Some((program, program.grid.as_ref()?)));
        let (program, grid) = seen.ok_or_else(|| EngineError::Prompt("no picture was encoded yet".to_owned()))?;
        let counts = counts(&self.config, grid);
        let dispatches = program.stages.iter().flat_map(|stage| {
            let count = stage.count(counts);
            stage.dispatches.iter().map(move |dispatch| (dispatch, count))
        });
        let dispatches: Vec<_> = dispatches.collect();
        profile::time(&self.gpu, &dispatches, runs, || program.restore_hidden(&self.gpu)).await
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

/// Numbers of rows and embeddings.
fn counts(config: &ProjectorConfig, grid: &PatchGrid) -> [u32; 2] {
    [grid.rows(config.width), grid.places.len() as u32]
}

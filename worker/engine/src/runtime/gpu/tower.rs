//! The GPU implementation of [`Tower`].

use std::sync::Arc;

use async_trait::async_trait;
use web_time::Instant;

use super::buffers::State;
use super::profile;
use super::self_test;
use super::tower_buffers::{Counts, Over, TowerBuffers};
use super::tower_builder::{Builder, Vectors};
use super::tower_stages::{Stage, stages};
use super::weights::Weights;
use crate::error::{EngineError, Result};
use crate::models::{ProjectorConfig, ProjectorPlan, TowerTensors};
use crate::runtime::backend::{Tower, TowerInput, TowerOutput};
use crate::runtime::device::{Dispatch, Gpu};
use crate::runtime::measuring::Profile;

/// Longest time in seconds between two reports of progress: short enough for quick stops.
const REPORT_SECONDS: f64 = 0.1;
/// Rows of the input for which the self-test builds the dispatches: as few as there may be.
const TESTED_ROWS: u32 = 1;

/// A projector with its weights.
pub(in crate::runtime) struct GpuTower {
    gpu: Gpu,
    config: ProjectorConfig,
    plan: ProjectorPlan,
    weights: Arc<Weights>,
    vectors: Vectors,
    /// For the largest input so far.
    program: Option<Program>,
}

/// Buffers with room for some rows, and the dispatches that use them.
struct Program {
    buffers: TowerBuffers,
    stages: Vec<Stage>,
    /// What the buffers were last written for.
    written: Option<Written>,
}

/// An input that was written: its shape, and what that says.
#[derive(Debug, Clone, Copy)]
struct Written {
    shape: [u32; 2],
    counts: Counts,
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
        let program = match self.program.take().filter(|program| program.buffers.room.rows >= rows) {
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
        let stages = stages(&Builder { gpu, slim, config, plan, weights, vectors, buffers: &buffers })?;
        Ok(Program { buffers, stages, written: None })
    }
}

impl Program {
    fn dispatches(&self) -> impl Iterator<Item = &Dispatch> {
        self.stages.iter().flat_map(|stage| &stage.dispatches)
    }

    /// Writes an input. What it shares with the one before is still there.
    fn write(&mut self, gpu: &Gpu, input: &TowerInput<'_>, counts: Counts) {
        let (buffers, queue) = (&self.buffers, gpu.queue());
        if self.written.is_none_or(|written| written.shape != input.shape) {
            for over in Over::ALL {
                let state = State { position: 0, token_count: counts.of(over), step: 0, row: 0 };
                queue.write_buffer(buffers.state(over), 0, bytemuck::bytes_of(&state));
            }
            queue.write_buffer(&buffers.added, 0, bytemuck::cast_slice(input.added));
            queue.write_buffer(&buffers.rope, 0, bytemuck::cast_slice(input.angles));
            queue.write_buffer(&buffers.windows, 0, bytemuck::cast_slice(input.windows));
        }
        let values = buffers.sound.as_ref().map_or(&buffers.patches, |sound| &sound.mel);
        queue.write_buffer(values, 0, bytemuck::cast_slice(input.values));
        self.written = Some(Written { shape: input.shape, counts });
        self.restore_hidden(gpu);
    }

    /// Makes the hidden state what the first results are added to.
    fn restore_hidden(&self, gpu: &Gpu) {
        let TowerBuffers { added, hidden, .. } = &self.buffers;
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(added, 0, hidden, 0, hidden.size());
        gpu.queue().submit([encoder.finish()]);
    }
}

#[async_trait(?Send)]
impl Tower for GpuTower {
    async fn embeddings(
        &mut self,
        input: &TowerInput<'_>,
        on_layer: &mut dyn FnMut(usize) -> bool,
    ) -> Result<TowerOutput> {
        let (gpu, len) = (self.gpu.clone(), self.config.embedding_len as usize);
        let counts = Counts { rows: input.rows(self.config.width), embeddings: input.embeddings };
        let output_bytes = u64::from(counts.embeddings) * len as u64 * 4;
        let program = self.program(counts.rows).await?;
        // Those that no input needed so far, together.
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
                gpu.read_buffer::<u32>(program.buffers.state(Over::Rows), size_of::<State>() as u64).await?;
                let seconds = start.elapsed().as_secs_f64() / f64::from(done - reported);
                next_report = done + ((REPORT_SECONDS / seconds.max(1e-6)) as u32).max(1);
                (reported, start) = (done, Instant::now());
                if !on_layer(done as usize) {
                    return Err(EngineError::Interrupted);
                }
            }
        }
        let mut embeddings = TowerOutput::default();
        // The last one is the main one. The others are copied while the GPU still computes it.
        let for_layers = outputs.len() - 1;
        for (index, output) in outputs.into_iter().enumerate() {
            let (values, _) = output.finish::<f32>(&gpu).await?;
            if index < for_layers {
                embeddings.put_layer((index, for_layers), &values, len);
            } else {
                embeddings.rows = values;
            }
        }
        Ok(embeddings)
    }

    async fn pause(&self) -> Result<()> {
        let Some(program) = &self.program else { return Ok(()) };
        // Reading from the GPU is what makes a browser's thread wait for events.
        self.gpu.read_buffer::<u32>(program.buffers.state(Over::Rows), 4).await.map(drop)
    }

    async fn profile(&self, runs: usize) -> Result<Profile> {
        let written = self.program.as_ref().and_then(|program| Some((program, program.written?)));
        let (program, Written { counts, .. }) =
            written.ok_or_else(|| EngineError::Prompt("nothing was encoded yet".to_owned()))?;
        let dispatches = program.stages.iter().flat_map(|stage| {
            let count = counts.of(stage.over);
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

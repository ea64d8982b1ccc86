//! The GPU implementation of [`Tower`].

use std::sync::Arc;

use async_trait::async_trait;
use web_time::Instant;

use super::buffers::State;
use super::product::{Input, Output, ProductBuilder};
use super::tower_buffers::TowerBuffers;
use super::weights::Weights;
use crate::error::{EngineError, Result};
use crate::kernels::Grid;
use crate::kernels::attention::{Attention, AttentionLayout, has_cooperative_layout};
use crate::kernels::linear::{Epilogue, Tiles};
use crate::kernels::norm::LayerNorm;
use crate::kernels::rows::{AddRows, mean_rows};
use crate::models::{
    CacheFormat, LinearPlan, Merge, NormPlan, ProjectionPlan, ProjectorConfig, ProjectorPlan, TowerLayerPlan, VectorId,
};
use crate::runtime::backend::Tower;
use crate::runtime::device::{Dispatch, Gpu};
use crate::vision::PatchInput;

/// Longest time in seconds between two reports of progress: short enough for quick stops.
const REPORT_SECONDS: f64 = 0.1;

/// A projector with its weights.
pub(in crate::runtime) struct GpuTower {
    gpu: Gpu,
    config: ProjectorConfig,
    plan: ProjectorPlan,
    weights: Arc<Weights>,
    /// For the largest picture so far.
    program: Option<Program>,
}

/// Buffers with room for some rows, and the dispatches that use them.
struct Program {
    buffers: TowerBuffers,
    stages: Vec<Stage>,
}

/// Dispatches for the same number of tokens.
struct Stage {
    dispatches: Vec<Dispatch>,
    /// The tokens are embeddings; otherwise they are rows of the hidden state.
    is_merged: bool,
    /// A layer ends.
    ends_layer: bool,
}

impl GpuTower {
    pub(in crate::runtime) fn new(
        gpu: &Gpu,
        config: &ProjectorConfig,
        plan: &ProjectorPlan,
        weights: Arc<Weights>,
    ) -> Self {
        Self { gpu: gpu.clone(), config: config.clone(), plan: plan.clone(), weights, program: None }
    }

    /// The program with room for this many rows.
    fn program(&mut self, rows: u32) -> Result<&Program> {
        // If it is too small, its buffers are freed first, so that there is room for the new ones.
        let program = match self.program.take().filter(|program| program.buffers.rows >= rows) {
            Some(program) => program,
            None => self.new_program(rows)?,
        };
        Ok(self.program.insert(program))
    }

    fn new_program(&self, rows: u32) -> Result<Program> {
        let Self { gpu, config, plan, weights, .. } = self;
        let buffers = TowerBuffers::new(gpu, (config, plan), rows);
        let stages = Builder { gpu, config, plan, weights, buffers: &buffers }.stages()?;
        Ok(Program { buffers, stages })
    }
}

impl Program {
    /// Runs a stage for `counts` rows and embeddings.
    fn submit(&self, gpu: &Gpu, stage: &Stage, counts: [u32; 2]) {
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            let count = counts[usize::from(stage.is_merged)];
            stage.dispatches.iter().for_each(|dispatch| dispatch.encode(&mut pass, count));
        }
        gpu.queue().submit([encoder.finish()]);
    }

    fn write(&self, gpu: &Gpu, input: &PatchInput, counts: [u32; 2]) {
        let (buffers, queue) = (&self.buffers, gpu.queue());
        for (buffer, token_count) in buffers.states.iter().zip(counts) {
            let state = State { position: 0, token_count, step: 0, row: 0 };
            queue.write_buffer(buffer, 0, bytemuck::bytes_of(&state));
        }
        queue.write_buffer(&buffers.patches, 0, bytemuck::cast_slice(&input.patches));
        queue.write_buffer(&buffers.hidden, 0, bytemuck::cast_slice(&input.added));
        queue.write_buffer(&buffers.rope, 0, bytemuck::cast_slice(&input.angles));
        queue.write_buffer(&buffers.windows, 0, bytemuck::cast_slice(&input.windows));
    }
}

#[async_trait(?Send)]
impl Tower for GpuTower {
    async fn embeddings(
        &mut self,
        input: &PatchInput,
        on_layer: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Vec<Vec<f32>>> {
        let (gpu, len) = (self.gpu.clone(), u64::from(self.config.embedding_len));
        let counts = [input.rows(self.config.width), input.places.len() as u32];
        let program = self.program(counts[0])?;
        program.write(&gpu, input, counts);
        let (mut done, mut reported, mut next_report, mut start) = (0, 0, 1, Instant::now());
        for stage in &program.stages {
            program.submit(&gpu, stage, counts);
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
}

/// Builds the dispatches.
struct Builder<'a> {
    gpu: &'a Gpu,
    config: &'a ProjectorConfig,
    plan: &'a ProjectorPlan,
    weights: &'a Weights,
    buffers: &'a TowerBuffers,
}

impl Builder<'_> {
    fn stages(&self) -> Result<Vec<Stage>> {
        let (plan, buffers) = (self.plan, self.buffers);
        let rows = |dispatches, ends_layer| Stage { dispatches, is_merged: false, ends_layer };
        let merged = |dispatches| Stage { dispatches, is_merged: true, ends_layer: false };
        let mut start = Vec::new();
        for patches in &plan.patches {
            self.add(&mut start, patches, &buffers.patches, None)?;
        }
        start.extend(plan.pre_norm.map(|norm| self.norm(norm, true)));
        let mut stages = vec![rows(start, false)];
        // Those of deepstack follow the main one.
        let mut output = 0;
        for (index, layer) in (0..).zip(&plan.layers) {
            let mut dispatches = Vec::new();
            self.attention(&mut dispatches, index, layer)?;
            self.feed_forward(&mut dispatches, layer)?;
            stages.push(rows(dispatches, true));
            if let Some(projection) = &layer.deepstack {
                output += 1;
                stages.push(merged(self.project(projection, &buffers.outputs[output])?));
            }
        }
        stages.push(rows(plan.post_norm.map(|norm| self.norm(norm, true)).into_iter().collect(), false));
        stages.push(merged(self.project(&plan.projection, &buffers.outputs[0])?));
        Ok(stages)
    }

    fn attention(&self, program: &mut Vec<Dispatch>, index: u32, layer: &TowerLayerPlan) -> Result<()> {
        let (buffers, heads, rows) = (self.buffers, self.config.heads, 3 * self.config.width);
        program.push(self.norm(layer.norms[0], false));
        let epilogue = Epilogue::Qkv { heads, value_offset: buffers.value_offset() };
        let extra = [("kv", &buffers.kv), ("rope", &buffers.rope)];
        let input = Input { bias: layer.qkv_bias, ..Input::new(&buffers.normed) };
        let output = Output { epilogue, y: &buffers.query, rows, extra: &extra };
        self.products(false).push(program, &layer.qkv, &input, &output)?;
        let has_windows = self.config.windows_of(index).is_some();
        let attention = Attention {
            heads,
            cache: CacheFormat::F16,
            value_offset: buffers.value_offset(),
            scale: (heads.head_dim as f32).sqrt().recip(),
            temperature: None,
            softcap: None,
            window: None,
            bidirectional: true,
            ahead: None,
            alibi: false,
            sinks: false,
            layout: self.layout(has_windows),
            splits: 1,
            workgroup: self.gpu.tuning().attention_workgroup,
        };
        let mut bound =
            vec![("state", &buffers.states[0]), ("q", &buffers.query), ("kv", &buffers.kv), ("y", &buffers.attended)];
        let grid = attention.grids()[0];
        program.push(if has_windows {
            bound.push(("blocks", &buffers.windows));
            Dispatch::new(self.gpu, &attention.shader_in_blocks(), &bound, grid)
        } else {
            Dispatch::new(self.gpu, &attention.shader(), &bound, grid)
        });
        self.add(program, &layer.attention_output, &buffers.attended, layer.scales[0])
    }

    fn layout(&self, has_windows: bool) -> AttentionLayout {
        let has_units = self.gpu.tuning().prefill_large.tiles == Tiles::Cooperative;
        if has_units && !has_windows && has_cooperative_layout(&self.config.heads) {
            AttentionLayout::Cooperative
        } else {
            AttentionLayout::Batch
        }
    }

    fn feed_forward(&self, program: &mut Vec<Dispatch>, layer: &TowerLayerPlan) -> Result<()> {
        let buffers = self.buffers;
        program.push(self.norm(layer.norms[1], false));
        let linear = |plan: &LinearPlan, epilogue| {
            let input = Input { bias: plan.bias, ..Input::new(&buffers.normed) };
            (input, Output { epilogue, y: &buffers.activated, rows: plan.stride(), extra: &[] })
        };
        if let Some(gate) = &layer.gate {
            let activation = gate.activation.unwrap_or(self.config.activation);
            let (gate_input, stored) = linear(gate, Epilogue::STORE);
            let (up_input, gated) = linear(&layer.up, Epilogue::Gate(activation));
            let both = [(&gate.product[..], &gate_input, &stored), (&layer.up.product[..], &up_input, &gated)];
            self.products(false).push_all(program, &both)?;
        } else {
            let (input, output) = linear(&layer.up, epilogue(&layer.up));
            self.products(false).push(program, &layer.up.product, &input, &output)?;
        }
        self.add(program, &layer.down, &buffers.activated, layer.scales[1])
    }

    /// Adds a product, scaled if there are factors, to the hidden state.
    fn add(
        &self,
        program: &mut Vec<Dispatch>,
        plan: &LinearPlan,
        x: &wgpu::Buffer,
        scale: Option<VectorId>,
    ) -> Result<()> {
        let (buffers, len) = (self.buffers, self.config.width);
        let input = Input { bias: plan.bias, ..Input::new(x) };
        let (epilogue, y) =
            if scale.is_some() { (Epilogue::STORE, &buffers.normed) } else { (Epilogue::ADD, &buffers.hidden) };
        self.products(false).push(program, &plan.product, &input, &Output { epilogue, y, rows: len, extra: &[] })?;
        if let Some(scale) = scale {
            let rows = AddRows { len, stride: len, at: 0, scaled: true };
            let bound = [
                ("state", &buffers.states[0]),
                ("x", &buffers.normed),
                ("y", &buffers.hidden),
                ("scale", self.weights.vector(scale)),
            ];
            program.push(Dispatch::new(self.gpu, &rows.shader(), &bound, Grid::TokensInX));
        }
        Ok(())
    }

    /// A norm of the hidden state, in place or into the `normed` buffer.
    fn norm(&self, (weight, bias): NormPlan, in_place: bool) -> Dispatch {
        let (buffers, config) = (self.buffers, self.config);
        let norm = LayerNorm {
            len: config.width,
            rms: config.rms,
            bias: bias.is_some(),
            residual: false,
            in_place,
            eps: config.norm_eps,
        };
        let mut bound = vec![("state", &buffers.states[0]), ("x", &buffers.hidden)];
        bound.extend((!in_place).then_some(("y", &buffers.normed)));
        self.with_vectors(norm, bound, (weight, bias))
    }

    fn with_vectors<'b>(
        &'b self,
        norm: LayerNorm,
        mut bound: Vec<(&'static str, &'b wgpu::Buffer)>,
        (weight, bias): NormPlan,
    ) -> Dispatch {
        bound.push(("norm_weight", self.weights.vector(weight)));
        bound.extend(bias.map(|bias| ("norm_bias", self.weights.vector(bias))));
        Dispatch::new(self.gpu, &norm.shader(), &bound, Grid::TokensInX)
    }

    /// From combined patches to embeddings.
    fn project(&self, plan: &ProjectionPlan, output: &wgpu::Buffer) -> Result<Vec<Dispatch>> {
        let (buffers, config, mut program) = (self.buffers, self.config, Vec::new());
        let (state, is_mean) = (&buffers.states[1], config.merged == Merge::Averaged);
        if is_mean {
            let shader = mean_rows(config.width, config.merged_patches());
            let bound = [("state", state), ("x", &buffers.hidden), ("y", &buffers.merged)];
            program.push(Dispatch::new(self.gpu, &shader, &bound, Grid::TokensInX));
        }
        if let Some((weight, bias)) = plan.norm {
            let norm = LayerNorm {
                len: config.merged_len(),
                rms: config.merged_rms,
                bias: bias.is_some(),
                residual: false,
                in_place: is_mean,
                eps: config.merged_eps,
            };
            let bound = if is_mean {
                vec![("state", state), ("x", &buffers.merged)]
            } else {
                vec![("state", state), ("x", &buffers.hidden), ("y", &buffers.merged)]
            };
            program.push(self.with_vectors(norm, bound, (weight, bias)));
        }
        let mut x = if is_mean || plan.norm.is_some() { &buffers.merged } else { &buffers.hidden };
        for (index, step) in plan.steps.iter().enumerate() {
            let y = if index + 1 == plan.steps.len() { output } else { &buffers.steps[index % 2] };
            let input = Input { bias: step.bias, ..Input::new(x) };
            let output = Output { epilogue: epilogue(step), y, rows: step.stride(), extra: &[] };
            self.products(true).push(&mut program, &step.product, &input, &output)?;
            x = y;
        }
        Ok(program)
    }

    fn products(&self, is_merged: bool) -> ProductBuilder<'_> {
        ProductBuilder {
            gpu: self.gpu,
            weights: self.weights,
            state: &self.buffers.states[usize::from(is_merged)],
            norm_eps: self.config.norm_eps,
            tuning: self.gpu.tuning().prefill,
            prepared: Some(&self.buffers.prepared),
            groups: None,
        }
    }
}

/// What follows a product that is stored.
fn epilogue(plan: &LinearPlan) -> Epilogue {
    plan.activation.map_or(Epilogue::STORE, Epilogue::Activate)
}

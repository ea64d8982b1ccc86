//! The dispatches of a tower.

use std::collections::HashMap;

use super::product::{Input, Output, ProductBuilder};
use super::tower_buffers::TowerBuffers;
use super::weights::Weights;
use crate::error::Result;
use crate::kernels::Grid;
use crate::kernels::attention::{Attention, AttentionLayout, has_cooperative_layout, has_tiled_layout};
use crate::kernels::linear::{Epilogue, Tiles};
use crate::kernels::norm::{HeadNormKernel, LayerNorm};
use crate::kernels::rows::{AddRows, Clamp, MeanRows, gate_rows};
use crate::models::{
    HeadNorm, LinearPlan, Merge, NormPlan, ProjectionPlan, ProjectorConfig, ProjectorPlan, TowerLayerPlan, VectorId,
};
use crate::runtime::device::{Dispatch, Gpu, Task};

/// Vectors besides those of the file.
pub(super) struct Vectors {
    /// See [`TowerTensors`](crate::models::TowerTensors).
    pub(super) bounds: HashMap<String, wgpu::Buffer>,
    /// Likewise.
    pub(super) head_norms: HashMap<String, wgpu::Buffer>,
    /// Weights of a norm without weights: `[merged_len]`
    pub(super) ones: wgpu::Buffer,
}

/// What happens to the output of a part of a layer before it is added to the hidden state: it is multiplied by factors,
/// or normalised.
type After = (Option<VectorId>, Option<NormPlan>);

/// An input of products, and whether it is f16.
type Operand<'a> = (&'a wgpu::Buffer, bool);

/// Dispatches for the same number of tokens.
pub(super) struct Stage {
    pub(super) dispatches: Vec<Dispatch>,
    /// The output that they compute, whose tokens are embeddings; otherwise they are rows of the hidden state.
    pub(super) output: Option<usize>,
    /// A layer ends.
    pub(super) ends_layer: bool,
}

impl Stage {
    /// Runs it for `counts` rows and embeddings.
    pub(super) fn submit(&self, gpu: &Gpu, counts: [u32; 2]) {
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            let count = self.count(counts);
            for dispatch in &self.dispatches {
                dispatch.encode(&mut pass, count);
            }
        }
        gpu.queue().submit([encoder.finish()]);
    }

    /// Its number of tokens, of rows and embeddings.
    pub(super) fn count(&self, counts: [u32; 2]) -> u32 {
        counts[usize::from(self.output.is_some())]
    }
}

/// Builds the dispatches.
pub(super) struct Builder<'a> {
    pub(super) gpu: &'a Gpu,
    /// The same with smaller tiles.
    pub(super) slim: &'a Gpu,
    pub(super) config: &'a ProjectorConfig,
    pub(super) plan: &'a ProjectorPlan,
    pub(super) weights: &'a Weights,
    pub(super) vectors: &'a Vectors,
    pub(super) buffers: &'a TowerBuffers,
}

impl Builder<'_> {
    pub(super) fn stages(&self) -> Result<Vec<Stage>> {
        let (plan, buffers) = (self.plan, self.buffers);
        let rows = |dispatches, ends_layer| Stage { dispatches, output: None, ends_layer };
        let merged = |dispatches, output| Stage { dispatches, output: Some(output), ends_layer: false };
        let mut start = Vec::new();
        for patches in &plan.patches {
            self.add(&mut start, patches, (&buffers.patches, false), (None, None))?;
        }
        start.extend(plan.pre_norm.map(|norm| self.norm(norm, &buffers.hidden, None)));
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
                stages.push(merged(self.project(projection, &buffers.outputs[output])?, output));
            }
        }
        let post_norm = plan.post_norm.map(|norm| self.norm(norm, &buffers.hidden, None));
        stages.push(rows(post_norm.into_iter().collect(), false));
        stages.push(merged(self.project(&plan.projection, &buffers.outputs[0])?, 0));
        Ok(stages)
    }

    fn attention(&self, program: &mut Vec<Dispatch>, index: u32, layer: &TowerLayerPlan) -> Result<()> {
        let (buffers, heads) = (self.buffers, self.config.heads);
        let normed = (&buffers.normed, layer.qkv.iter().all(|part| self.takes_halves(part)));
        program.push(self.norm(layer.norms[0], &buffers.hidden, Some(normed)));
        self.qkv(program, layer, normed)?;
        let layout = self.layout();
        let halves = layout == AttentionLayout::Cooperative && self.takes_halves(&layer.attention_output);
        let has_windows = self.config.windows_of(index).is_some();
        let attention = Attention {
            heads,
            cache: buffers.cache(),
            scale: self.config.attention_scale(),
            temperature: None,
            softcap: None,
            window: None,
            bidirectional: true,
            ahead: None,
            alibi: false,
            sinks: false,
            layout,
            splits: 1,
            workgroup: self.gpu.tuning().attention_workgroup,
            halves,
        };
        let mut bound =
            vec![("state", &buffers.states[0]), ("q", &buffers.query), ("kv", &buffers.kv), ("y", &buffers.attended)];
        let grid = attention.grids()[0];
        program.push(if has_windows {
            bound.push(("blocks", &buffers.windows));
            Dispatch::new(self.gpu, &attention.shader_in_blocks(), &bound, grid)
        } else {
            Dispatch::new(self.gpu, &attention.shader(), &bound, grid).computing(Task::Attention(attention))
        });
        let after = (layer.scales[0], layer.post_norms[0]);
        self.add(program, &layer.attention_output, (&buffers.attended, halves), after)
    }

    /// Whether the input of a product may be f16.
    fn takes_halves(&self, plan: &LinearPlan) -> bool {
        let products = self.products(false, plan.rows);
        self.gpu.tuning().encode_halves && plan.bounds.is_none() && products.takes_halves(&plan.product)
    }

    /// Queries, keys and values, normalised if the family does so.
    fn qkv(&self, program: &mut Vec<Dispatch>, layer: &TowerLayerPlan, normed: Operand<'_>) -> Result<()> {
        let (buffers, heads, rows) = (self.buffers, self.config.heads, 3 * self.config.width);
        let extra = [("kv", &buffers.kv), ("rope", &buffers.rope)];
        let Some([query_norm, key_norm]) = &layer.head_norms else {
            for part in &layer.qkv {
                let input = Input { bias: part.bias, halved: normed.1, ..Input::new(normed.0) };
                let epilogue = Epilogue::Qkv { heads, cache: buffers.cache() };
                let output = Output { epilogue, y: &buffers.query, rows, extra: &extra };
                self.products(false, part.rows).push(program, &part.product, &input, &output)?;
            }
            return Ok(());
        };
        for part in &layer.qkv {
            let x = self.bounded(program, part, normed);
            self.store(program, part, x, (&buffers.projected, rows))?;
        }
        let kernel = HeadNormKernel {
            kind: HeadNorm::Head,
            heads,
            centred: false,
            gated: false,
            value_norm: true,
            queries_only: false,
            cache: buffers.cache(),
            eps: self.config.norm_eps,
        };
        let bound = [
            ("state", &buffers.states[0]),
            ("projected", &buffers.projected),
            ("query_norm", &self.vectors.head_norms[query_norm]),
            ("key_norm", &self.vectors.head_norms[key_norm]),
            ("y", &buffers.query),
            extra[0],
            extra[1],
        ];
        let dispatch = Dispatch::new(self.gpu, &kernel.shader(), &bound, kernel.grid());
        program.push(dispatch.computing(Task::HeadNorm(kernel)));
        Ok(())
    }

    fn layout(&self) -> AttentionLayout {
        let has_units = self.gpu.tuning().prefill_large.tiles == Tiles::Cooperative;
        if has_units && has_cooperative_layout(&self.config.heads) {
            AttentionLayout::Cooperative
        } else if has_tiled_layout(&self.config.heads) {
            AttentionLayout::Tiled
        } else {
            AttentionLayout::Batch
        }
    }

    fn feed_forward(&self, program: &mut Vec<Dispatch>, layer: &TowerLayerPlan) -> Result<()> {
        let buffers = self.buffers;
        let normed = (&buffers.normed, layer.gate.iter().chain([&layer.up]).all(|plan| self.takes_halves(plan)));
        program.push(self.norm(layer.norms[1], &buffers.hidden, Some(normed)));
        // What gates come from is read as floats.
        let halves = layer.gate.is_none() && normed.1 && self.takes_halves(&layer.down);
        let linear = |plan: &LinearPlan, epilogue| {
            let input = Input { bias: plan.bias, halved: normed.1, ..Input::new(normed.0) };
            (input, Output { epilogue, y: &buffers.activated, rows: plan.stride(), extra: &[] })
        };
        if let Some(gate) = layer.gate.as_ref().filter(|_| self.plan.has_bounds()) {
            for (plan, y) in [(gate, &buffers.activated), (&layer.up, &buffers.gated)] {
                let x = self.bounded(program, plan, normed);
                self.store(program, plan, x, (y, plan.stride()))?;
            }
            let bound = [("state", &buffers.states[0]), ("x", &buffers.gated), ("y", &buffers.activated)];
            let (len, activation) = (gate.stride(), self.config.activation);
            let dispatch = Dispatch::new(self.gpu, &gate_rows(len, activation), &bound, Grid::TokensInX);
            program.push(dispatch.computing(Task::GateRows(len, activation)));
        } else if let Some(gate) = &layer.gate {
            let activation = self.config.activation;
            let (gate_input, stored) = linear(gate, Epilogue::STORE);
            let (up_input, gated) = linear(&layer.up, Epilogue::Gate(activation));
            let both = [(&gate.product[..], &gate_input, &stored), (&layer.up.product[..], &up_input, &gated)];
            self.products(false, gate.rows).push_all(program, &both)?;
        } else {
            let (input, output) = linear(&layer.up, epilogue(&layer.up, halves));
            self.products(false, layer.up.rows).push(program, &layer.up.product, &input, &output)?;
        }
        self.add(program, &layer.down, (&buffers.activated, halves), (layer.scales[1], layer.post_norms[1]))
    }

    /// Adds a product to the hidden state. `x` is kept within its bounds.
    fn add(&self, program: &mut Vec<Dispatch>, plan: &LinearPlan, x: Operand<'_>, after: After) -> Result<()> {
        let (buffers, len) = (self.buffers, self.config.width);
        let (scale, norm) = after;
        if scale.is_none() && norm.is_none() && plan.bounds.is_none() {
            let input = Input { bias: plan.bias, halved: x.1, ..Input::new(x.0) };
            let output = Output { epilogue: Epilogue::ADD, y: &buffers.hidden, rows: len, extra: &[] };
            return self.products(false, plan.rows).push(program, &plan.product, &input, &output);
        }
        program.extend(self.clamp(plan, false, plan.cols, vec![("state", &buffers.states[0]), ("y", x.0)]));
        self.store(program, plan, x, (&buffers.normed, len))?;
        program.extend(norm.map(|norm| self.norm(norm, &buffers.normed, None)));
        let rows = AddRows { len, stride: len, at: 0, scaled: scale.is_some() };
        let mut bound = vec![("state", &buffers.states[0]), ("x", &buffers.normed), ("y", &buffers.hidden)];
        bound.extend(scale.map(|scale| ("scale", self.weights.vector(scale))));
        let dispatch = Dispatch::new(self.gpu, &rows.shader(), &bound, Grid::TokensInX);
        program.push(dispatch.computing(Task::AddRows(rows)));
        Ok(())
    }

    /// Stores a product, without its activation, within its bounds in rows of `stride`.
    fn store(
        &self,
        program: &mut Vec<Dispatch>,
        plan: &LinearPlan,
        x: Operand<'_>,
        (y, stride): (&wgpu::Buffer, u32),
    ) -> Result<()> {
        let input = Input { bias: plan.bias, halved: x.1, ..Input::new(x.0) };
        let output = Output { epilogue: Epilogue::STORE, y, rows: stride, extra: &[] };
        self.products(false, plan.rows).push(program, &plan.product, &input, &output)?;
        program.extend(self.clamp(plan, true, stride, vec![("state", &self.buffers.states[0]), ("y", y)]));
        Ok(())
    }

    /// An input that several products share, within the bounds of one of them.
    fn bounded<'b>(&'b self, program: &mut Vec<Dispatch>, plan: &LinearPlan, x: Operand<'b>) -> Operand<'b> {
        let y = &self.buffers.bounded;
        let bound = vec![("state", &self.buffers.states[0]), ("x", x.0), ("y", y)];
        let Some(clamp) = self.clamp(plan, false, plan.cols, bound) else { return x };
        program.push(clamp);
        (y, false)
    }

    /// Keeps the inputs or outputs of a product, in rows of `stride`, within its bounds, if it has any: in place unless
    /// `bound` has an `x`.
    fn clamp<'b>(
        &'b self,
        plan: &LinearPlan,
        is_output: bool,
        stride: u32,
        mut bound: Vec<(&'static str, &'b wgpu::Buffer)>,
    ) -> Option<Dispatch> {
        let bounds = self.vectors.bounds.get(plan.bounds.as_ref()?)?;
        let (len, at) = if is_output { (plan.rows, plan.first_row) } else { (plan.cols, 0) };
        let clamp = Clamp { len, stride, at, is_output, in_place: bound.iter().all(|(name, _)| *name != "x") };
        bound.push(("bounds", bounds));
        Some(Dispatch::new(self.gpu, &clamp.shader(), &bound, Grid::TokensInX).computing(Task::Clamp(clamp)))
    }

    /// A norm of the tower from `x` to `y`, or in place.
    fn norm(&self, (weight, bias): NormPlan, x: &wgpu::Buffer, y: Option<Operand<'_>>) -> Dispatch {
        let config = self.config;
        let norm = LayerNorm {
            len: config.width,
            rms: config.rms,
            bias: bias.is_some(),
            residual: false,
            in_place: y.is_none(),
            halves: y.is_some_and(|(_, halves)| halves),
            eps: config.norm_eps,
        };
        let mut bound =
            vec![("state", &self.buffers.states[0]), ("x", x), ("norm_weight", self.weights.vector(weight))];
        bound.extend(y.map(|(y, _)| ("y", y)));
        bound.extend(bias.map(|bias| ("norm_bias", self.weights.vector(bias))));
        Dispatch::new(self.gpu, &norm.shader(), &bound, Grid::TokensInX).computing(Task::LayerNorm(norm))
    }

    /// From combined patches to embeddings.
    fn project(&self, plan: &ProjectionPlan, output: &wgpu::Buffer) -> Result<Vec<Dispatch>> {
        let (buffers, mut program) = (self.buffers, Vec::new());
        let mut x = self.merge(&mut program, plan);
        let state = ("state", &buffers.states[1]);
        for (index, step) in plan.steps.iter().enumerate() {
            let y = if index + 1 == plan.steps.len() { output } else { &buffers.steps[index % 2] };
            program.extend(self.clamp(step, false, step.cols, vec![state, ("y", x)]));
            let input = Input { bias: step.bias, ..Input::new(x) };
            let output = Output { epilogue: epilogue(step, false), y, rows: step.stride(), extra: &[] };
            self.products(true, step.rows).push(&mut program, &step.product, &input, &output)?;
            program.extend(self.clamp(step, true, step.stride(), vec![state, ("y", y)]));
            x = y;
        }
        Ok(program)
    }

    /// Combines patches, with the norm after that. Returns the buffer.
    fn merge(&self, program: &mut Vec<Dispatch>, plan: &ProjectionPlan) -> &wgpu::Buffer {
        let (buffers, config, state) = (self.buffers, self.config, ("state", &self.buffers.states[1]));
        let is_mean = config.merged == Merge::Averaged;
        if is_mean {
            let (len, count) = (config.width, config.merged_patches());
            let mean = MeanRows { len, count, scale: config.merged_scale(), standard: plan.standard.is_some() };
            let mut bound = vec![state, ("x", &buffers.hidden), ("y", &buffers.merged)];
            if let Some([means, factors]) = plan.standard {
                bound.extend([("mean", self.weights.vector(means)), ("factor", self.weights.vector(factors))]);
            }
            let dispatch = Dispatch::new(self.gpu, &mean.shader(), &bound, Grid::TokensInX);
            program.push(dispatch.computing(Task::MeanRows(mean)));
        }
        let vectors = match plan.norm {
            Some((weight, bias)) => (self.weights.vector(weight), bias.map(|bias| self.weights.vector(bias))),
            None if plan.plain_norm => (&self.vectors.ones, None),
            None => return if is_mean { &buffers.merged } else { &buffers.hidden },
        };
        let norm = LayerNorm {
            len: config.merged_len(),
            rms: config.merged_rms,
            bias: vectors.1.is_some(),
            residual: false,
            in_place: is_mean,
            halves: false,
            eps: config.merged_eps,
        };
        let mut bound = vec![state, ("norm_weight", vectors.0)];
        bound.extend(vectors.1.map(|bias| ("norm_bias", bias)));
        if is_mean {
            bound.push(("x", &buffers.merged));
        } else {
            bound.extend([("x", &buffers.hidden), ("y", &buffers.merged)]);
        }
        let dispatch = Dispatch::new(self.gpu, &norm.shader(), &bound, Grid::TokensInX);
        program.push(dispatch.computing(Task::LayerNorm(norm)));
        &buffers.merged
    }

    /// Builds products of `rows` rows, of embeddings or of rows of the hidden state.
    fn products(&self, is_merged: bool, rows: u32) -> ProductBuilder<'_> {
        let tokens = if is_merged { self.buffers.embeddings } else { self.buffers.rows };
        ProductBuilder {
            gpu: if self.gpu.tuning().has_few_tiles(rows, tokens) { self.slim } else { self.gpu },
            weights: self.weights,
            state: &self.buffers.states[usize::from(is_merged)],
            norm_eps: self.config.norm_eps,
            tuning: self.gpu.tuning().prefill,
            experts: self.gpu.tuning().prefill,
            prepared: Some(&self.buffers.prepared),
            groups: None,
        }
    }
}

/// What follows a product that is stored, with an activation in f16 if `halves`.
fn epilogue(plan: &LinearPlan, halves: bool) -> Epilogue {
    let activate = if halves { Epilogue::ActivateHalves } else { Epilogue::Activate };
    plan.activation.map_or(Epilogue::STORE, activate)
}

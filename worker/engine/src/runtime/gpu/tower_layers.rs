//! Dispatches of a tower's layers.

use std::collections::HashMap;

use super::product::{Input, Output, ProductBuilder};
use super::tower_buffers::TowerBuffers;
use super::weights::Weights;
use crate::error::Result;
use crate::kernels::Grid;
use crate::kernels::attention::{Attention, AttentionLayout, has_cooperative_layout, has_tiled_layout};
use crate::kernels::linear::{Epilogue, Tiles};
use crate::kernels::norm::{HeadNormKernel, LayerNorm};
use crate::kernels::rows::{AddRows, Clamp, gate_rows};
use crate::models::{HeadNorm, LinearPlan, NormPlan, ProjectorConfig, ProjectorPlan, TowerLayerPlan, VectorId};
use crate::runtime::device::{Dispatch, Gpu, Task};

/// Vectors besides those of the file.
pub(super) struct Vectors {
    /// See [`TowerTensors`](crate::models::TowerTensors).
    pub(super) bounds: HashMap<String, wgpu::Buffer>,
    pub(super) head_norms: HashMap<String, wgpu::Buffer>,
    /// Weights of a norm without weights: `[merged_len]`
    pub(super) ones: wgpu::Buffer,
}

/// What happens to the output of a part of a layer before it is added to the hidden state: it is multiplied by factors,
/// or normalised.
type After = (Option<VectorId>, Option<NormPlan>);

/// Builds the dispatches.
pub(super) struct Builder<'a> {
    pub(super) gpu: &'a Gpu,
    pub(super) config: &'a ProjectorConfig,
    pub(super) plan: &'a ProjectorPlan,
    pub(super) weights: &'a Weights,
    pub(super) vectors: &'a Vectors,
    pub(super) buffers: &'a TowerBuffers,
}

impl Builder<'_> {
    pub(super) fn attention(&self, program: &mut Vec<Dispatch>, index: u32, layer: &TowerLayerPlan) -> Result<()> {
        let (buffers, heads) = (self.buffers, self.config.heads);
        program.push(self.norm(layer.norms[0], &buffers.hidden, Some(&buffers.normed)));
        self.qkv(program, layer)?;
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
            layout: self.layout(),
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
            Dispatch::new(self.gpu, &attention.shader(), &bound, grid).computing(Task::Attention(attention))
        });
        self.add(program, &layer.attention_output, &buffers.attended, (layer.scales[0], layer.post_norms[0]))
    }

    /// Queries, keys and values, normalised if the family does so.
    fn qkv(&self, program: &mut Vec<Dispatch>, layer: &TowerLayerPlan) -> Result<()> {
        let (buffers, heads, rows) = (self.buffers, self.config.heads, 3 * self.config.width);
        let extra = [("kv", &buffers.kv), ("rope", &buffers.rope)];
        let Some([query_norm, key_norm]) = &layer.head_norms else {
            for part in &layer.qkv {
                let input = Input { bias: part.bias, ..Input::new(&buffers.normed) };
                let epilogue = Epilogue::Qkv { heads, cache: buffers.cache() };
                let output = Output { epilogue, y: &buffers.query, rows, extra: &extra };
                self.products(false).push(program, &part.product, &input, &output)?;
            }
            return Ok(());
        };
        for part in &layer.qkv {
            let x = self.bounded(program, part, &buffers.normed);
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

    pub(super) fn feed_forward(&self, program: &mut Vec<Dispatch>, layer: &TowerLayerPlan) -> Result<()> {
        let buffers = self.buffers;
        program.push(self.norm(layer.norms[1], &buffers.hidden, Some(&buffers.normed)));
        let linear = |plan: &LinearPlan, epilogue| {
            let input = Input { bias: plan.bias, ..Input::new(&buffers.normed) };
            (input, Output { epilogue, y: &buffers.activated, rows: plan.stride(), extra: &[] })
        };
        if let Some(gate) = layer.gate.as_ref().filter(|_| self.plan.has_bounds()) {
            for (plan, y) in [(gate, &buffers.activated), (&layer.up, &buffers.gated)] {
                let x = self.bounded(program, plan, &buffers.normed);
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
            self.products(false).push_all(program, &both)?;
        } else {
            let (input, output) = linear(&layer.up, epilogue(&layer.up));
            self.products(false).push(program, &layer.up.product, &input, &output)?;
        }
        self.add(program, &layer.down, &buffers.activated, (layer.scales[1], layer.post_norms[1]))
    }

    /// Adds a product to the hidden state. `x` is kept within its bounds.
    pub(super) fn add(
        &self,
        program: &mut Vec<Dispatch>,
        plan: &LinearPlan,
        x: &wgpu::Buffer,
        after: After,
    ) -> Result<()> {
        let (buffers, len) = (self.buffers, self.config.width);
        let (scale, norm) = after;
        if scale.is_none() && norm.is_none() && plan.bounds.is_none() {
            let input = Input { bias: plan.bias, ..Input::new(x) };
            let output = Output { epilogue: Epilogue::ADD, y: &buffers.hidden, rows: len, extra: &[] };
            return self.products(false).push(program, &plan.product, &input, &output);
        }
        program.extend(self.clamp(plan, false, plan.cols, vec![("state", &buffers.states[0]), ("y", x)]));
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
        x: &wgpu::Buffer,
        (y, stride): (&wgpu::Buffer, u32),
    ) -> Result<()> {
        let input = Input { bias: plan.bias, ..Input::new(x) };
        let output = Output { epilogue: Epilogue::STORE, y, rows: stride, extra: &[] };
        self.products(false).push(program, &plan.product, &input, &output)?;
        program.extend(self.clamp(plan, true, stride, vec![("state", &self.buffers.states[0]), ("y", y)]));
        Ok(())
    }

    /// An input that several products share, within the bounds of one of them.
    fn bounded<'b>(&'b self, program: &mut Vec<Dispatch>, plan: &LinearPlan, x: &'b wgpu::Buffer) -> &'b wgpu::Buffer {
        let y = &self.buffers.bounded;
        let clamp = self.clamp(plan, false, plan.cols, vec![("state", &self.buffers.states[0]), ("x", x), ("y", y)]);
        let bounded = if clamp.is_some() { y } else { x };
        program.extend(clamp);
        bounded
    }

    /// Keeps the inputs or outputs of a product, in rows of `stride`, within its bounds, if it has any: in place unless
    /// `bound` has an `x`.
    pub(super) fn clamp<'b>(
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
    pub(super) fn norm(&self, (weight, bias): NormPlan, x: &wgpu::Buffer, y: Option<&wgpu::Buffer>) -> Dispatch {
        let config = self.config;
        let norm = LayerNorm {
            len: config.width,
            rms: config.rms,
            bias: bias.is_some(),
            residual: false,
            in_place: y.is_none(),
            eps: config.norm_eps,
        };
        let mut bound =
            vec![("state", &self.buffers.states[0]), ("x", x), ("norm_weight", self.weights.vector(weight))];
        bound.extend(y.map(|y| ("y", y)));
        bound.extend(bias.map(|bias| ("norm_bias", self.weights.vector(bias))));
        Dispatch::new(self.gpu, &norm.shader(), &bound, Grid::TokensInX).computing(Task::LayerNorm(norm))
    }

    pub(super) fn products(&self, is_merged: bool) -> ProductBuilder<'_> {
        ProductBuilder {
            gpu: self.gpu,
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

/// What follows a product that is stored.
pub(super) fn epilogue(plan: &LinearPlan) -> Epilogue {
    plan.activation.map_or(Epilogue::STORE, Epilogue::Activate)
}

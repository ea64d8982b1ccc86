//! What the dispatches of a tower are built of.

use std::collections::HashMap;

use super::product::{Input, Output, ProductBuilder};
use super::tower_buffers::{Over, TowerBuffers};
use super::weights::Weights;
use crate::error::Result;
use crate::kernels::Grid;
use crate::kernels::linear::Epilogue;
use crate::kernels::norm::LayerNorm;
use crate::kernels::rows::{AddRows, Clamp};
use crate::models::{LinearPlan, NormPlan, ProjectorConfig, ProjectorPlan, VectorId};
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
pub(super) type Operand<'a> = (&'a wgpu::Buffer, bool);

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
    /// Adds a product to the hidden state. `x` is kept within its bounds.
    pub(super) fn add(
        &self,
        program: &mut Vec<Dispatch>,
        plan: &LinearPlan,
        x: Operand<'_>,
        after: After,
    ) -> Result<()> {
        let (buffers, len) = (self.buffers, self.config.width);
        let (scale, norm) = after;
        if scale.is_none() && norm.is_none() && plan.bounds.is_none() {
            let input = Input { bias: plan.bias, halved: x.1, ..Input::new(x.0) };
            let output = Output { epilogue: Epilogue::ADD, y: &buffers.hidden, rows: len, extra: &[] };
            return self.products(Over::Rows, plan.rows).push(program, &plan.product, &input, &output);
        }
        program.extend(self.clamp(plan, false, plan.cols, vec![("state", buffers.state(Over::Rows)), ("y", x.0)]));
        self.store(program, plan, x, (&buffers.normed, len))?;
        program.extend(norm.map(|norm| self.norm(norm, &buffers.normed, None)));
        let rows = AddRows { len, stride: len, at: 0, scaled: scale.is_some() };
        let mut bound = vec![("state", buffers.state(Over::Rows)), ("x", &buffers.normed), ("y", &buffers.hidden)];
        bound.extend(scale.map(|scale| ("scale", self.weights.vector(scale))));
        let dispatch = Dispatch::new(self.gpu, &rows.shader(), &bound, Grid::TokensInX);
        program.push(dispatch.computing(Task::AddRows(rows)));
        Ok(())
    }

    /// Stores a product, without its activation, within its bounds in rows of `stride`.
    pub(super) fn store(
        &self,
        program: &mut Vec<Dispatch>,
        plan: &LinearPlan,
        x: Operand<'_>,
        (y, stride): (&wgpu::Buffer, u32),
    ) -> Result<()> {
        let input = Input { bias: plan.bias, halved: x.1, ..Input::new(x.0) };
        let output = Output { epilogue: Epilogue::STORE, y, rows: stride, extra: &[] };
        self.products(Over::Rows, plan.rows).push(program, &plan.product, &input, &output)?;
        program.extend(self.clamp(plan, true, stride, vec![("state", self.buffers.state(Over::Rows)), ("y", y)]));
        Ok(())
    }

    /// An input that several products share, within the bounds of one of them.
    pub(super) fn bounded<'b>(&'b self, program: &mut Vec<Dispatch>, plan: &LinearPlan, x: Operand<'b>) -> Operand<'b> {
        let y = &self.buffers.bounded;
        let bound = vec![("state", self.buffers.state(Over::Rows)), ("x", x.0), ("y", y)];
        let Some(clamp) = self.clamp(plan, false, plan.cols, bound) else { return x };
        program.push(clamp);
        (y, false)
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
    pub(super) fn norm(&self, (weight, bias): NormPlan, x: &wgpu::Buffer, y: Option<Operand<'_>>) -> Dispatch {
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
            vec![("state", self.buffers.state(Over::Rows)), ("x", x), ("norm_weight", self.weights.vector(weight))];
        bound.extend(y.map(|(y, _)| ("y", y)));
        bound.extend(bias.map(|bias| ("norm_bias", self.weights.vector(bias))));
        Dispatch::new(self.gpu, &norm.shader(), &bound, Grid::TokensInX).computing(Task::LayerNorm(norm))
    }

    /// Builds products of `rows` rows, for these tokens.
    pub(super) fn products(&self, over: Over, rows: u32) -> ProductBuilder<'_> {
        let is_slim = self.gpu.tuning().has_few_tiles(rows, self.buffers.room.of(over));
        ProductBuilder {
            gpu: if is_slim { self.slim } else { self.gpu },
            weights: self.weights,
            state: self.buffers.state(over),
            norm_eps: self.config.norm_eps,
            tuning: self.gpu.tuning().prefill,
            experts: self.gpu.tuning().prefill,
            prepared: Some(&self.buffers.prepared),
            groups: None,
        }
    }

    /// Whether the input of a product may be f16.
    pub(super) fn takes_halves(&self, plan: &LinearPlan) -> bool {
        let products = self.products(Over::Rows, plan.rows);
        self.gpu.tuning().encode_halves && plan.bounds.is_none() && products.takes_halves(&plan.product)
    }
}

/// What follows a product that is stored, with an activation in f16 if `halves`.
pub(super) fn epilogue(plan: &LinearPlan, halves: bool) -> Epilogue {
    let activate = if halves { Epilogue::ActivateHalves } else { Epilogue::Activate };
    plan.activation.map_or(Epilogue::STORE, activate)
}

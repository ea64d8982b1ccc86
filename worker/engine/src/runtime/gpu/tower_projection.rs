//! Dispatches of a tower's projections.

use super::product::{Input, Output};
use super::tower_buffers::Over;
use super::tower_builder::{Builder, epilogue};
use crate::error::Result;
use crate::kernels::Grid;
use crate::kernels::linear::Epilogue;
use crate::kernels::norm::LayerNorm;
use crate::kernels::rows::MeanRows;
use crate::models::{LinearPlan, Merge, NormPlan, ProjectionPlan, StepPlan};
use crate::runtime::device::{Dispatch, Task};

impl Builder<'_> {
    /// From combined rows to embeddings.
    pub(super) fn project(&self, plan: &ProjectionPlan, output: &wgpu::Buffer) -> Result<Vec<Dispatch>> {
        let (buffers, mut program) = (self.buffers, Vec::new());
        let mut x = self.merge(&mut program, plan);
        for (index, step) in plan.steps.iter().enumerate() {
            let y = if index + 1 == plan.steps.len() { output } else { &buffers.steps[index % 2] };
            self.step(&mut program, step, x, y)?;
            x = y;
        }
        Ok(program)
    }

    /// A step from `x`, which its norm and its bounds change, to `y`.
    fn step(&self, program: &mut Vec<Dispatch>, step: &StepPlan, x: &wgpu::Buffer, y: &wgpu::Buffer) -> Result<()> {
        let (plan, state) = (&step.linear, ("state", self.buffers.state(Over::Embeddings)));
        program.extend(step.norm.map(|norm| self.step_norm(norm, plan.cols, x)));
        program.extend(self.clamp(plan, false, plan.cols, vec![state, ("y", x)]));
        let linear = |plan: &LinearPlan, epilogue| {
            let input = Input { bias: plan.bias, ..Input::new(x) };
            (input, Output { epilogue, y, rows: plan.stride(), extra: &[] })
        };
        let gate = step.gate.as_ref().and_then(|gate| Some((gate, gate.activation?)));
        if let Some((gate, activation)) = gate {
            let (gate_input, stored) = linear(gate, Epilogue::STORE);
            let (input, gated) = linear(plan, Epilogue::Gate(activation));
            let both = [(&gate.product[..], &gate_input, &stored), (&plan.product[..], &input, &gated)];
            self.products(Over::Embeddings, gate.rows).push_all(program, &both)?;
        } else {
            let (input, output) = linear(plan, epilogue(plan, false));
            self.products(Over::Embeddings, plan.rows).push(program, &plan.product, &input, &output)?;
        }
        program.extend(self.clamp(plan, true, plan.stride(), vec![state, ("y", y)]));
        Ok(())
    }

    /// An RMS norm in place, of rows of `len`.
    fn step_norm(&self, (weight, bias): NormPlan, len: u32, x: &wgpu::Buffer) -> Dispatch {
        let norm = LayerNorm {
            len,
            rms: true,
            bias: bias.is_some(),
            residual: false,
            in_place: true,
            halves: false,
            eps: self.config.merged_eps,
        };
        let mut bound = vec![
            ("state", self.buffers.state(Over::Embeddings)),
            ("x", x),
            ("norm_weight", self.weights.vector(weight)),
        ];
        bound.extend(bias.map(|bias| ("norm_bias", self.weights.vector(bias))));
        Dispatch::new(self.gpu, &norm.shader(), &bound, Grid::TokensInX).computing(Task::LayerNorm(norm))
    }

    /// Combines rows, with the norm after that. Returns the buffer.
    fn merge(&self, program: &mut Vec<Dispatch>, plan: &ProjectionPlan) -> &wgpu::Buffer {
        let (buffers, config, state) = (self.buffers, self.config, ("state", self.buffers.state(Over::Embeddings)));
        let is_mean = config.merged == Merge::Averaged;
        if is_mean {
            let (len, count) = (config.width, config.merged_rows());
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
}

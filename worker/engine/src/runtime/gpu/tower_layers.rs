//! Dispatches of a tower's layers.

use super::product::{Input, Output};
use super::tower_buffers::Over;
use super::tower_builder::{Builder, Operand, epilogue};
use crate::error::Result;
use crate::kernels::Grid;
use crate::kernels::attention::{Attention, AttentionLayout, has_cooperative_layout, has_tiled_layout};
use crate::kernels::linear::{Epilogue, Tiles};
use crate::kernels::norm::HeadNormKernel;
use crate::kernels::rows::gate_rows;
use crate::models::{HeadNorm, LinearPlan, TowerLayerPlan};
use crate::runtime::device::{Dispatch, Task};

impl Builder<'_> {
    pub(super) fn attention(&self, program: &mut Vec<Dispatch>, index: u32, layer: &TowerLayerPlan) -> Result<()> {
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
        let mut bound = vec![
            ("state", buffers.state(Over::Rows)),
            ("q", &buffers.query),
            ("kv", &buffers.kv),
            ("y", &buffers.attended),
        ];
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

    /// Queries, keys and values, normalised if the family does so.
    fn qkv(&self, program: &mut Vec<Dispatch>, layer: &TowerLayerPlan, normed: Operand<'_>) -> Result<()> {
        let (buffers, heads, rows) = (self.buffers, self.config.heads, 3 * self.config.width);
        let extra = [("kv", &buffers.kv), ("rope", &buffers.rope)];
        let Some([query_norm, key_norm]) = &layer.head_norms else {
            for part in &layer.qkv {
                let input = Input { bias: part.bias, halved: normed.1, ..Input::new(normed.0) };
                let epilogue = Epilogue::Qkv { heads, cache: buffers.cache() };
                let output = Output { epilogue, y: &buffers.query, rows, extra: &extra };
                self.products(Over::Rows, part.rows).push(program, &part.product, &input, &output)?;
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
            ("state", buffers.state(Over::Rows)),
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
            let bound = [("state", buffers.state(Over::Rows)), ("x", &buffers.gated), ("y", &buffers.activated)];
            let (len, activation) = (gate.stride(), self.config.activation);
            let dispatch = Dispatch::new(self.gpu, &gate_rows(len, activation), &bound, Grid::TokensInX);
            program.push(dispatch.computing(Task::GateRows(len, activation)));
        } else if let Some(gate) = &layer.gate {
            let activation = self.config.activation;
            let (gate_input, stored) = linear(gate, Epilogue::STORE);
            let (up_input, gated) = linear(&layer.up, Epilogue::Gate(activation));
            let both = [(&gate.product[..], &gate_input, &stored), (&layer.up.product[..], &up_input, &gated)];
            self.products(Over::Rows, gate.rows).push_all(program, &both)?;
        } else {
            let (input, output) = linear(&layer.up, epilogue(&layer.up, halves));
            self.products(Over::Rows, layer.up.rows).push(program, &layer.up.product, &input, &output)?;
        }
        self.add(program, &layer.down, (&buffers.activated, halves), (layer.scales[1], layer.post_norms[1]))
    }
}

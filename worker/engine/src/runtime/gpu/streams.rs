//! Dispatches for hidden states of several vectors: the first is in the buffer `hidden`, the others in `streams`. And
//! those of a low-rank projection beside the mixers.

use super::forward::ForwardBuilder;
use super::product::{Input, Output};
use crate::error::Result;
use crate::kernels::linear::{Epilogue, HeadRows};
use crate::kernels::streams::{StreamStep, Streams};
use crate::models::{LayerStreamsPlan, LowRankPlan, StreamsPlan, VectorId};
use crate::runtime::device::{Dispatch, Task};

impl ForwardBuilder<'_> {
    /// Computes the other vectors from the first.
    pub(super) fn expand_streams(&self, program: &mut Vec<Dispatch>, plan: &StreamsPlan) -> Result<()> {
        let (buffers, rows) = (self.buffers, self.config.other_streams_len());
        let output = Output { epilogue: Epilogue::STORE, y: &buffers.streams, rows, extra: &[] };
        self.products().push(program, &plan.expand, &Input::new(&buffers.hidden), &output)?;
        program.push(self.step(StreamStep::Expand, &[("x", &buffers.hidden), ("y", &buffers.streams)]));
        Ok(())
    }

    /// Predicts all vectors.
    pub(super) fn predict_streams(&self, program: &mut Vec<Dispatch>, plan: &LayerStreamsPlan) -> Result<()> {
        self.routes(program, plan)?;
        program.push(self.step(StreamStep::Predict, &self.vectors(plan.predict)));
        Ok(())
    }

    /// Corrects all vectors by the first, which the layer has computed. Leaves the input of the gates of the layer's own
    /// input in `normed`.
    pub(super) fn correct_streams(&self, program: &mut Vec<Dispatch>, plan: &LayerStreamsPlan) -> Result<()> {
        self.routes(program, plan)?;
        let gate = [("gate_scale", self.weights.vector(plan.gate_scale)), ("gate_input", &self.buffers.normed)];
        program.push(self.step(StreamStep::Correct, &[&self.vectors(plan.correct)[..], &gate].concat()));
        Ok(())
    }

    /// Makes the first vector the mean of all, of which the others are projected before.
    pub(super) fn merge_streams(&self, program: &mut Vec<Dispatch>, plan: &StreamsPlan) -> Result<()> {
        let (buffers, len) = (self.buffers, self.config.embedding_len);
        let rows = HeadRows { heads: self.others(), rows: len, input_stride: len };
        let input = Input { heads: Some(rows), ..Input::new(&buffers.streams) };
        let output = Output { epilogue: Epilogue::STORE, y: &buffers.prediction, rows: len, extra: &[] };
        self.products().push(program, &[plan.merge], &input, &output)?;
        program.push(self.step(StreamStep::Merge, &[("x", &buffers.prediction), ("y", &buffers.hidden)]));
        Ok(())
    }

    /// Adds the low-rank projection of the mixers' input to that.
    pub(super) fn add_low_rank(&self, program: &mut Vec<Dispatch>, plan: &LowRankPlan) -> Result<()> {
        let (buffers, width) = (self.buffers, self.config.embedding_len);
        let stored = |y, rows| Output { epilogue: Epilogue::STORE, y, rows, extra: &[] };
        let rank = self.config.low_rank.unwrap_or(0);
        let down = stored(&buffers.activated, rank);
        self.products().push(program, &plan.down, &Input::new(&buffers.normed), &down)?;
        let up = stored(&buffers.output, width);
        self.products().push(program, &plan.up, &Input::new(&buffers.activated), &up)?;
        self.add_normed(program, [&buffers.output, &buffers.normed], 1.0, (plan.norm, None));
        Ok(())
    }

    /// Number of vectors beside the first.
    fn others(&self) -> u32 {
        self.config.streams.map_or(0, |count| count - 1)
    }

    /// What predictions and corrections bind: the vectors, and what their weights follow from.
    fn vectors(&self, coefficients: VectorId) -> [(&str, &wgpu::Buffer); 5] {
        let buffers = self.buffers;
        [
            ("routes", &buffers.routes),
            ("coefficients", self.weights.vector(coefficients)),
            ("hidden", &buffers.hidden),
            ("others", &buffers.streams),
            ("prediction", &buffers.prediction),
        ]
    }

    /// The router's outputs for the first vector.
    fn routes(&self, program: &mut Vec<Dispatch>, plan: &LayerStreamsPlan) -> Result<()> {
        // A soft cap of one is tanh.
        let scale = (self.config.embedding_len as f32).recip();
        let epilogue = Epilogue::Store { scale, softcap: Some(1.0) };
        let output = Output { epilogue, y: &self.buffers.routes, rows: self.others() + 1, extra: &[] };
        let input = Input { norm: Some(plan.router_norm), ..Input::new(&self.buffers.hidden) };
        self.products().push(program, &plan.router, &input, &output)
    }

    fn step(&self, step: StreamStep, buffers: &[(&str, &wgpu::Buffer)]) -> Dispatch {
        let streams = Streams { count: self.others() + 1, len: self.config.embedding_len, step };
        let bound: Vec<_> = buffers.iter().copied().chain([("state", &self.buffers.state)]).collect();
        Dispatch::new(self.gpu, &streams.shader(), &bound, streams.grid()).computing(Task::Streams(streams))
    }
}

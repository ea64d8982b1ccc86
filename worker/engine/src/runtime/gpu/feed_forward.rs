//! Dispatches of the feed-forward parts.

use super::forward::ForwardBuilder;
use super::product::{Input, Output};
use crate::error::Result;
use crate::kernels::Grid;
use crate::kernels::experts::{expert_sum, route};
use crate::kernels::linear::{Epilogue, ExpertRows};
use crate::models::{ExpertConfig, FeedForwardPlan, GateUpPlan, MatrixId, Product, VectorId};
use crate::runtime::device::Dispatch;

impl ForwardBuilder<'_> {
    /// Adds the output of a layer's feed-forward part to the hidden state.
    pub(super) fn feed_forward(&self, program: &mut Vec<Dispatch>, index: usize) -> Result<()> {
        let plan = &self.plan.layers[index];
        let norm = plan.feed_forward_norm;
        match &plan.feed_forward {
            FeedForwardPlan::Dense { gate_up, down } => {
                let rows = self.config.layers[index].feed_forward.hidden_len();
                self.gate_up(program, norm, gate_up, rows)?;
                let input = Input::new(&self.buffers.activated);
                self.add_to_hidden(program, down, &input, plan.feed_forward_post_norm)
            }
            FeedForwardPlan::Experts { experts, router, gate, up, down } => {
                self.experts(program, norm, *experts, router, [*gate, *up, *down])
            }
        }
    }

    /// Gate and up projections, of `rows` rows each.
    fn gate_up(
        &self,
        program: &mut Vec<Dispatch>,
        norm: Option<VectorId>,
        gate_up: &GateUpPlan,
        rows: u32,
    ) -> Result<()> {
        let activation = self.config.activation;
        let input = Input { norm, ..Input::new(&self.buffers.hidden) };
        let output = |epilogue| Output { epilogue, y: &self.buffers.activated, rows, extra: &[] };
        match gate_up {
            GateUpPlan::Paired(product) => {
                self.products().push(program, product, &input, &output(Epilogue::Gated(activation)))
            }
            GateUpPlan::Apart { gate, up } => {
                self.products().push(program, gate, &input, &output(Epilogue::STORE))?;
                self.products().push(program, up, &input, &output(Epilogue::Gate(activation)))
            }
        }
    }

    /// Mixture of experts; `matrices` are gate, up and down.
    fn experts(
        &self,
        program: &mut Vec<Dispatch>,
        norm: Option<VectorId>,
        experts: ExpertConfig,
        router: &Product,
        matrices: [MatrixId; 3],
    ) -> Result<()> {
        let (buffers, width, hidden) = (self.buffers, self.config.embedding_len, experts.feed_forward_len);
        let input = Input { norm, ..Input::new(&buffers.hidden) };
        let scores = Output { epilogue: Epilogue::STORE, y: &buffers.router, rows: experts.count, extra: &[] };
        self.products().push(program, router, &input, &scores)?;
        let bound = [
            ("state", &buffers.state),
            ("logits", &buffers.router),
            ("experts", &buffers.experts),
            ("weights", &buffers.expert_weights),
        ];
        program.push(Dispatch::new(self.gpu, &route(&experts), &bound, Grid::TokensInX));

        let rows = |rows, shares_input| Some(ExpertRows { rows, used: experts.used, shares_input });
        let chosen = [("experts", &buffers.experts)];
        let input = Input { experts: rows(hidden, true), ..input };
        let [gate, up, down] = matrices.map(|id| [id]);
        for (matrix, epilogue) in [(gate, Epilogue::STORE), (up, Epilogue::Gate(self.config.activation))] {
            let output = Output { epilogue, y: &buffers.activated, rows: hidden, extra: &chosen };
            self.products().push(program, &matrix, &input, &output)?;
        }
        let input = Input { experts: rows(width, false), ..Input::new(&buffers.activated) };
        let output = Output { epilogue: Epilogue::STORE, y: &buffers.output, rows: width, extra: &chosen };
        self.products().push(program, &down, &input, &output)?;
        let bound = [
            ("state", &buffers.state),
            ("x", &buffers.output),
            ("weights", &buffers.expert_weights),
            ("y", &buffers.hidden),
        ];
        let (shader, grid) = expert_sum(&experts, width, self.config.residual_scale);
        program.push(Dispatch::new(self.gpu, &shader, &bound, grid));
        Ok(())
    }
}

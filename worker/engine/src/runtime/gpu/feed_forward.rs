//! Dispatches of the feed-forward parts.

use super::forward::{ForwardBuilder, PostNorm};
use super::product::{Input, Output};
use crate::error::Result;
use crate::kernels::Grid;
use crate::kernels::experts::{Router, expert_sum, group};
use crate::kernels::linear::{Epilogue, ExpertRows};
use crate::models::{
    ExpertMatrix, ExpertsGateUp, ExpertsPlan, FeedForwardPlan, GateUpPlan, SharedExpertPlan, VectorId,
};
use crate::runtime::device::Dispatch;

impl ForwardBuilder<'_> {
    /// Adds the output of a layer's feed-forward part to the hidden state.
    pub(super) fn feed_forward(&self, program: &mut Vec<Dispatch>, index: usize) -> Result<()> {
        let plan = &self.plan.layers[index];
        // In parallel with the mixer it has the same input, which is still there; then it has no norm of its own.
        let norm = plan.feed_forward_norm;
        self.norm_apart(program, norm);
        match &plan.feed_forward {
            FeedForwardPlan::Dense { gate_up, down } => {
                let rows = self.config.layers[index].feed_forward.hidden_len();
                self.gate_up(program, norm, gate_up, rows)?;
                let input = Input::new(&self.buffers.activated);
                // With an input of its own, the layer ends with that.
                let sum_scale = plan.scale.filter(|_| plan.input.is_none());
                self.add_to_hidden(program, down, &input, PostNorm { norm: plan.feed_forward_post_norm, sum_scale })
            }
            FeedForwardPlan::Experts(experts) => self.experts(program, norm, experts),
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
        let output = (&self.buffers.activated, rows);
        self.products().gate_up(program, gate_up, &self.normed_input(norm), self.config.activation, output)
    }

    /// Mixture of experts.
    fn experts(&self, program: &mut Vec<Dispatch>, norm: Option<VectorId>, plan: &ExpertsPlan) -> Result<()> {
        let (buffers, config, width) = (self.buffers, &plan.config, self.config.embedding_len);
        self.choose_experts(program, norm, plan)?;
        self.group_experts(program, plan);
        self.experts_gate_up(program, norm, plan)?;
        let experts = Some(ExpertRows { rows: width, used: config.used, shares_input: false });
        let input = Input { experts, bias: plan.down.bias, ..Input::new(&buffers.activated) };
        let chosen = [("experts", &buffers.experts)];
        let output = Output { epilogue: Epilogue::STORE, y: &buffers.output, rows: width, extra: &chosen };
        self.products().push(program, &[plan.down.weights], &input, &output)?;

        let mut bound = vec![
            ("state", &buffers.state),
            ("x", &buffers.output),
            ("weights", &buffers.expert_weights),
            ("y", &buffers.hidden),
        ];
        if let Some(shared) = &plan.shared {
            self.shared_expert(program, norm, shared)?;
            bound.push(("shared_x", &buffers.shared_output));
        }
        let (shader, grid) = expert_sum(config, width, self.config.residual_scale);
        program.push(Dispatch::new(self.gpu, &shader, &bound, grid));
        Ok(())
    }

    /// Gate and up projections of each token's experts.
    fn experts_gate_up(&self, program: &mut Vec<Dispatch>, norm: Option<VectorId>, plan: &ExpertsPlan) -> Result<()> {
        let (buffers, activation) = (self.buffers, self.config.activation);
        let (hidden, used) = (plan.config.feed_forward_len, plan.config.used);
        let chosen = [("experts", &buffers.experts)];
        let output = |epilogue| Output { epilogue, y: &buffers.activated, rows: hidden, extra: &chosen };
        let input = |rows| {
            let experts = Some(ExpertRows { rows, used, shares_input: true });
            Input { experts, ..self.normed_input(norm) }
        };
        match plan.gate_up {
            ExpertsGateUp::Merged(both) => {
                let input = Input { bias: both.bias, ..input(2 * hidden) };
                self.products().push(program, &[both.weights], &input, &output(Epilogue::Gated(activation)))
            }
            ExpertsGateUp::Apart { gate, up } => {
                let [gate_output, up_output] = [Epilogue::STORE, Epilogue::Gate(activation)].map(output);
                let [gate_input, up_input] = [gate, up].map(|matrix| Input { bias: matrix.bias, ..input(hidden) });
                let gate = (&[gate.weights][..], &gate_input, &gate_output);
                self.products().push_all(program, &[gate, (&[up.weights], &up_input, &up_output)])
            }
        }
    }

    /// Each token's experts and their weights.
    fn choose_experts(&self, program: &mut Vec<Dispatch>, norm: Option<VectorId>, plan: &ExpertsPlan) -> Result<()> {
        let buffers = self.buffers;
        let router = Router { experts: plan.config, is_biased: plan.bias.is_some(), is_gated: plan.is_gated() };
        let input = Input { bias: plan.router_bias, ..self.normed_input(norm) };
        let scores = Output { epilogue: Epilogue::STORE, y: &buffers.router, rows: plan.score_rows(), extra: &[] };
        self.products().push(program, &plan.router, &input, &scores)?;
        let mut bound = vec![
            ("state", &buffers.state),
            ("logits", &buffers.router),
            ("experts", &buffers.experts),
            ("weights", &buffers.expert_weights),
        ];
        bound.extend(plan.bias.map(|bias| ("bias", self.weights.vector(bias))));
        program.push(Dispatch::new(self.gpu, &router.shader(), &bound, Grid::TokensInX));
        Ok(())
    }

    /// Lists the batch by expert, if products share the experts' rows in tiles.
    fn group_experts(&self, program: &mut Vec<Dispatch>, plan: &ExpertsPlan) {
        let (buffers, products) = (self.buffers, self.products());
        let groups = |matrix: ExpertMatrix| products.groups_experts(self.weights.matrix(matrix.weights));
        let is_grouped = match plan.gate_up {
            ExpertsGateUp::Merged(both) => groups(both),
            ExpertsGateUp::Apart { gate, up } => groups(gate) || groups(up),
        };
        if is_grouped || groups(plan.down) {
            let bound = [("state", &buffers.state), ("experts", &buffers.experts), ("groups", &buffers.groups)];
            let (shader, grid) = group(&plan.config);
            program.push(Dispatch::new(self.gpu, &shader, &bound, grid));
        }
    }

    /// The output of the expert that all tokens share.
    fn shared_expert(
        &self,
        program: &mut Vec<Dispatch>,
        norm: Option<VectorId>,
        plan: &SharedExpertPlan,
    ) -> Result<()> {
        self.gate_up(program, norm, &plan.gate_up, plan.hidden_len)?;
        let (y, rows) = (&self.buffers.shared_output, self.config.embedding_len);
        let output = Output { epilogue: Epilogue::STORE, y, rows, extra: &[] };
        self.products().push(program, &plan.down, &Input::new(&self.buffers.activated), &output)
    }
}

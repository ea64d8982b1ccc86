//! Dispatches of the feed-forward parts.

use super::forward::{ForwardBuilder, PostNorm};
use super::product::{Input, Output};
use crate::error::Result;
use crate::kernels::experts::{ExpertSum, Router, group};
use crate::kernels::linear::{Epilogue, ExpertRows};
use crate::models::{
    ExpertMatrix, ExpertNormsPlan, ExpertsGateUp, ExpertsPlan, FeedForwardPlan, GateUpPlan, LatentExpertsPlan,
    SharedExpertPlan, VectorId,
};
use crate::runtime::device::{Dispatch, Task};

impl ForwardBuilder<'_> {
    /// Adds the output of a layer's feed-forward part, if it has one, to the hidden state.
    pub(super) fn feed_forward(&self, program: &mut Vec<Dispatch>, index: usize) -> Result<()> {
        let plan = &self.plan.layers[index];
        // In parallel with the mixer it has the same input, which is still there; then it has no norm of its own.
        let norm = plan.feed_forward_norm;
        let Some(part) = &plan.feed_forward else { return Ok(()) };
        self.norm_apart(program, norm);
        // With an input of its own, the layer ends with that.
        let sum_scale = plan.scale.filter(|_| plan.input.is_none());
        let post = PostNorm { sum_scale, ..PostNorm::from(plan.feed_forward_post_norm) };
        match part {
            FeedForwardPlan::Dense { gate_up, down, hidden_len } => {
                self.gate_up(program, norm, gate_up, *hidden_len)?;
                self.add_to_hidden(program, down, &Input::new(&self.buffers.activated), post)
            }
            FeedForwardPlan::Experts(experts) => self.experts(program, norm, experts, post),
        }
    }

    /// Gate and up projections, or just the latter, of `rows` rows each.
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
    fn experts(
        &self,
        program: &mut Vec<Dispatch>,
        norm: Option<VectorId>,
        plan: &ExpertsPlan,
        post: PostNorm,
    ) -> Result<()> {
        let (buffers, config, residual_scale) = (self.buffers, plan.config, self.config.residual_scale);
        self.choose_experts(program, norm, plan)?;
        self.group_experts(program, plan);
        self.expert_outputs(program, norm, plan)?;
        let mut shared_output = None;
        if let Some(shared) = plan.shared.as_ref().filter(|_| config.sums_shared()) {
            self.shared_expert(program, norm, shared)?;
            shared_output = Some(&buffers.shared_output);
        }
        let replaces = plan.latent.is_some() || post.norm.is_some();
        let (y, scale) = if replaces { (&buffers.expert_sums, 1.0) } else { (&buffers.hidden, residual_scale) };
        let sum = ExpertSum { experts: config, len: config.width(self.config.embedding_len), scale, replaces };
        program.push(buffers.experts.sum(&self.products(), sum, shared_output, y));
        if let Some(latent) = &plan.latent {
            return self.leave_latent(program, norm, latent, plan.shared.as_ref());
        }
        if let Some((norms, shared)) = plan.norms.zip(plan.shared.as_ref()) {
            self.add_shared_normed(program, norm, norms, shared)?;
        }
        if let Some(norm) = post.norm {
            self.add_normed(program, [y, &buffers.hidden], residual_scale, (norm, post.sum_scale));
        }
        Ok(())
    }

    /// Normalises the sums of the experts' outputs, and adds those of the shared expert after a norm of its own.
    fn add_shared_normed(
        &self,
        program: &mut Vec<Dispatch>,
        norm: Option<VectorId>,
        norms: ExpertNormsPlan,
        shared: &SharedExpertPlan,
    ) -> Result<()> {
        let (sums, shared_output) = (&self.buffers.expert_sums, &self.buffers.shared_output);
        program.push(self.norm(norms.output, sums, None));
        self.shared_expert(program, norm, shared)?;
        self.add_normed(program, [shared_output, sums], 1.0, (norms.shared_output, None));
        Ok(())
    }

    /// The input of router or experts: after a norm of their own, or after that before the feed-forward part.
    fn experts_input(&self, own: Option<VectorId>, norm: Option<VectorId>) -> Input<'_> {
        match own {
            Some(own) => Input { norm: Some(own), ..Input::new(&self.buffers.hidden) },
            None => self.normed_input(norm),
        }
    }

    /// The outputs of each token's experts.
    fn expert_outputs(&self, program: &mut Vec<Dispatch>, norm: Option<VectorId>, plan: &ExpertsPlan) -> Result<()> {
        let (buffers, config) = (self.buffers, &plan.config);
        let width = config.width(self.config.embedding_len);
        let mut input = self.experts_input(plan.norms.map(|norms| norms.input), norm);
        if let Some(latent) = &plan.latent {
            let output = Output { epilogue: Epilogue::STORE, y: &buffers.expert_sums, rows: width, extra: &[] };
            self.products().push(program, &latent.down, &input, &output)?;
            input = Input::new(&buffers.expert_sums);
        }
        self.experts_gate_up(program, &input, plan)?;
        let experts = Some(ExpertRows { rows: width, used: config.used, shares_input: false });
        let input = Input { experts, bias: plan.down.bias, ..Input::new(&buffers.activated) };
        let chosen = [("experts", &buffers.experts.chosen)];
        let output = Output { epilogue: Epilogue::STORE, y: &buffers.experts.outputs, rows: width, extra: &chosen };
        self.products().push(program, &[plan.down.weights], &input, &output)
    }

    /// Adds what experts computed in another space to the hidden state, and the output of the shared expert.
    fn leave_latent(
        &self,
        program: &mut Vec<Dispatch>,
        norm: Option<VectorId>,
        latent: &LatentExpertsPlan,
        shared: Option<&SharedExpertPlan>,
    ) -> Result<()> {
        // The shared expert reads the hidden state before anything is added.
        if let Some(shared) = shared {
            self.gate_up(program, norm, &shared.gate_up, shared.hidden_len)?;
        }
        self.add_to_hidden(program, &latent.up, &Input::new(&self.buffers.expert_sums), PostNorm::from(None))?;
        match shared {
            Some(shared) => {
                self.add_to_hidden(program, &shared.down, &Input::new(&self.buffers.activated), PostNorm::from(None))
            }
            None => Ok(()),
        }
    }

    /// Gate and up projections, or just the latter, of each token's experts.
    fn experts_gate_up(&self, program: &mut Vec<Dispatch>, x: &Input<'_>, plan: &ExpertsPlan) -> Result<()> {
        let (buffers, activation) = (self.buffers, self.config.activation);
        let (hidden, used) = (plan.config.feed_forward_len, plan.config.used);
        let chosen = [("experts", &buffers.experts.chosen)];
        let output = |epilogue| Output { epilogue, y: &buffers.activated, rows: hidden, extra: &chosen };
        let input = |rows| {
            let experts = Some(ExpertRows { rows, used, shares_input: true });
            Input { experts, ..*x }
        };
        match plan.gate_up {
            ExpertsGateUp::Ungated(up) => {
                let input = Input { bias: up.bias, ..input(hidden) };
                self.products().push(program, &[up.weights], &input, &output(Epilogue::Activate(activation)))
            }
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
        let (buffers, products) = (&self.buffers.experts, self.products());
        let router = Router {
            experts: plan.config,
            is_biased: plan.bias.is_some(),
            is_gated: plan.is_gated(),
            is_scaled: plan.scales.is_some(),
        };
        let own_norm = plan.norms.map(|norms| norms.router);
        let scale = if own_norm.is_some() { (self.config.embedding_len as f32).sqrt().recip() } else { 1.0 };
        let input = Input { bias: plan.router_bias, ..self.experts_input(own_norm, norm) };
        let epilogue = Epilogue::Store { scale, softcap: None };
        let scores = Output { epilogue, y: &buffers.scores, rows: plan.score_rows(), extra: &[] };
        products.push(program, &plan.router, &input, &scores)?;
        program.push(buffers.choose(&products, router, [plan.bias, plan.scales]));
        Ok(())
    }

    /// Lists the batch by expert, if products share the experts' rows in tiles.
    fn group_experts(&self, program: &mut Vec<Dispatch>, plan: &ExpertsPlan) {
        let (buffers, products) = (self.buffers, self.products());
        let groups = |matrix: ExpertMatrix| products.groups_experts(self.weights.matrix(matrix.weights));
        let is_grouped = match plan.gate_up {
            ExpertsGateUp::Ungated(matrix) | ExpertsGateUp::Merged(matrix) => groups(matrix),
            ExpertsGateUp::Apart { gate, up } => groups(gate) || groups(up),
        };
        if is_grouped || groups(plan.down) {
            let bound = [("state", &buffers.state), ("experts", &buffers.experts.chosen), ("groups", &buffers.groups)];
            let (shader, grid) = group(&plan.config);
            program.push(Dispatch::new(self.gpu, &shader, &bound, grid).computing(Task::Group(plan.config)));
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

//! Dispatches of the feed-forward parts.

use super::forward::{ForwardBuilder, PostNorm};
use super::product::{Input, Output};
use crate::error::Result;
use crate::kernels::Grid;
use crate::kernels::experts::{ExpertSum, Router};
use crate::kernels::linear::{Epilogue, ExpertRows};
use crate::models::{ExpertsPlan, FeedForwardPlan, GateUpPlan, LatentPlan, SharedExpertPlan, VectorId};
use crate::runtime::device::{Dispatch, Task};

impl ForwardBuilder<'_> {
    /// Adds the output of a layer's feed-forward part, if it has one, to the hidden state.
    pub(super) fn feed_forward(&self, program: &mut Vec<Dispatch>, index: usize) -> Result<()> {
        let plan = &self.plan.layers[index];
        let norm = plan.feed_forward_norm;
        let Some(part) = &plan.feed_forward else { return Ok(()) };
        match part {
            FeedForwardPlan::Dense { gate_up, down } => {
                let rows = self.config.layers[index].feed_forward.map_or(0, |part| part.hidden_len());
                self.gate_up(program, norm, gate_up, rows)?;
                let input = Input::new(&self.buffers.activated);
                // With an input of its own, the layer ends with that.
                let sum_scale = plan.scale.filter(|_| plan.input.is_none());
                self.add_to_hidden(program, down, &input, PostNorm { norm: plan.feed_forward_post_norm, sum_scale })
            }
            FeedForwardPlan::Experts(experts) => self.experts(program, norm, experts),
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
            GateUpPlan::Ungated(up, bias) => {
                let input = Input { bias: *bias, ..input };
                self.products().push(program, up, &input, &output(Epilogue::Activate(activation)))
            }
        }
    }

    /// Mixture of experts.
    fn experts(&self, program: &mut Vec<Dispatch>, norm: Option<VectorId>, plan: &ExpertsPlan) -> Result<()> {
        let (buffers, config) = (self.buffers, plan.config);
        self.choose_experts(program, norm, plan)?;
        self.expert_outputs(program, norm, plan)?;
        let (y, scale) = match plan.latent {
            Some(_) => (&buffers.latent, 1.0),
            None => (&buffers.hidden, self.config.residual_scale),
        };
        let mut bound =
            vec![("state", &buffers.state), ("x", &buffers.output), ("weights", &buffers.expert_weights), ("y", y)];
        if let Some(shared) = plan.shared.as_ref().filter(|_| config.sums_shared()) {
            self.shared_expert(program, norm, shared)?;
            bound.push(("shared_x", &buffers.shared_output));
        }
        let sum = ExpertSum { experts: config, len: config.width(self.config.embedding_len), scale };
        program.push(Dispatch::new(self.gpu, &sum.shader(), &bound, sum.grid()).computing(Task::ExpertSum(sum)));
        match &plan.latent {
            Some(latent) => self.leave_latent(program, norm, latent, plan.shared.as_ref()),
            None => Ok(()),
        }
    }

    /// The outputs of each token's experts.
    fn expert_outputs(&self, program: &mut Vec<Dispatch>, norm: Option<VectorId>, plan: &ExpertsPlan) -> Result<()> {
        let (buffers, config, activation) = (self.buffers, &plan.config, self.config.activation);
        let width = config.width(self.config.embedding_len);
        let mut input = Input { norm, ..Input::new(&buffers.hidden) };
        if let Some(latent) = &plan.latent {
            let output = Output { epilogue: Epilogue::STORE, y: &buffers.latent, rows: width, extra: &[] };
            self.products().push(program, &latent.down, &input, &output)?;
            input = Input::new(&buffers.latent);
        }
        let rows = |rows, shares_input| Some(ExpertRows { rows, used: config.used, shares_input });
        let chosen = [("experts", &buffers.experts)];
        let hidden = config.feed_forward_len;
        let input = Input { experts: rows(hidden, true), ..input };
        let halves = match plan.gate {
            Some(gate) => vec![(gate, Epilogue::STORE), (plan.up, Epilogue::Gate(activation))],
            None => vec![(plan.up, Epilogue::Activate(activation))],
        };
        for (matrix, epilogue) in halves {
            let output = Output { epilogue, y: &buffers.activated, rows: hidden, extra: &chosen };
            self.products().push(program, &[matrix], &input, &output)?;
        }
        let input = Input { experts: rows(width, false), ..Input::new(&buffers.activated) };
        let output = Output { epilogue: Epilogue::STORE, y: &buffers.output, rows: width, extra: &chosen };
        self.products().push(program, &[plan.down], &input, &output)
    }

    /// Adds what experts computed in another space to the hidden state, and the output of the shared expert.
    fn leave_latent(
        &self,
        program: &mut Vec<Dispatch>,
        norm: Option<VectorId>,
        latent: &LatentPlan,
        shared: Option<&SharedExpertPlan>,
    ) -> Result<()> {
        // The shared expert reads the hidden state before anything is added.
        if let Some(shared) = shared {
            self.gate_up(program, norm, &shared.gate_up, shared.hidden_len)?;
        }
        self.add_to_hidden(program, &latent.up, &Input::new(&self.buffers.latent), PostNorm::from(None))?;
        match shared {
            Some(shared) => {
                self.add_to_hidden(program, &shared.down, &Input::new(&self.buffers.activated), PostNorm::from(None))
            }
            None => Ok(()),
        }
    }

    /// Each token's experts and their weights.
    fn choose_experts(&self, program: &mut Vec<Dispatch>, norm: Option<VectorId>, plan: &ExpertsPlan) -> Result<()> {
        let buffers = self.buffers;
        let router = Router { experts: plan.config, is_biased: plan.bias.is_some(), is_gated: plan.is_gated() };
        let input = Input { norm, ..Input::new(&buffers.hidden) };
        let scores = Output { epilogue: Epilogue::STORE, y: &buffers.router, rows: plan.score_rows(), extra: &[] };
        self.products().push(program, &plan.router, &input, &scores)?;
        let mut bound = vec![
            ("state", &buffers.state),
            ("logits", &buffers.router),
            ("experts", &buffers.experts),
            ("weights", &buffers.expert_weights),
        ];
        bound.extend(plan.bias.map(|bias| ("bias", self.weights.vector(bias))));
        let dispatch = Dispatch::new(self.gpu, &router.shader(), &bound, Grid::TokensInX);
        program.push(dispatch.computing(Task::Router(router)));
        Ok(())
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

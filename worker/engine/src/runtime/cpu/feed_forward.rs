//! Feed-forward parts on the CPU: dense ones and mixtures of experts.

use super::activations::Activations;
use super::decoder::CpuDecoder;
use super::layers::{self, by_expert, project};
use super::ops::{activate, apply_gate, expert_sum, gated, route};
use crate::models::{ExpertMatrix, ExpertsGateUp, ExpertsPlan, FeedForwardPlan, GateUpPlan, Product};

impl CpuDecoder {
    /// Adds the output of a layer's feed-forward part to the hidden state. Its `input` follows from that, unless it is
    /// parallel to the mixers and has the same one.
    pub(super) fn feed_forward(&self, index: usize, input: Option<Vec<f32>>, hidden: &mut [f32]) {
        let (config, plan) = (&self.config, &self.plan.layers[index]);
        let Some(part) = &plan.feed_forward else { return };
        let input = input.unwrap_or_else(|| self.normed(hidden, plan.feed_forward_norm));
        let output = match part {
            FeedForwardPlan::Dense { gate_up, down, hidden_len } => {
                let x = Activations::new(&input, config.embedding_len as usize);
                self.dense(gate_up, down, *hidden_len, &x)
            }
            FeedForwardPlan::Experts(experts) => self.experts(experts, hidden, &input),
        };
        self.add(hidden, output, plan.feed_forward_post_norm);
    }

    /// A feed-forward part for all tokens, `hidden_len` wide.
    fn dense(&self, gate_up: &GateUpPlan, down: &Product, hidden_len: u32, x: &Activations<'_>) -> Vec<f32> {
        let (hidden_len, width) = (hidden_len as usize, self.config.embedding_len as usize);
        let activated = layers::gate_up(&self.weights, gate_up, hidden_len, x, self.config.activation);
        project(&self.weights, down, &activated, hidden_len, width, None)
    }

    /// Mixture of experts; `input` follows from the hidden state.
    fn experts(&self, plan: &ExpertsPlan, hidden: &[f32], input: &[f32]) -> Vec<f32> {
        let (config, weights) = (&plan.config, &self.weights);
        let (width, own_width) = (self.config.embedding_len as usize, config.width(self.config.embedding_len) as usize);
        let x = &Activations::new(input, width);
        let scores = self.expert_scores(plan, hidden, x);
        let vectors = [plan.bias, plan.scales].map(|vector| vector.map(|vector| weights.vector(vector)));
        let (chosen, factors) = route(&scores, vectors, config, plan.is_gated());
        let own_input = match (&plan.latent, plan.norms) {
            (Some(latent), _) => Some(weights.product(&latent.down, own_width, x, None)),
            (None, Some(norms)) => Some(self.normed(hidden, Some(norms.input))),
            (None, None) => None,
        };
        let outputs = by_expert(own_input.as_deref().unwrap_or(input), own_width, &chosen, config, |expert, x| {
            let activated = self.expert_gate_up(plan, expert, x);
            let activated = Activations::new(&activated, config.feed_forward_len as usize);
            self.expert_rows(plan.down, expert, own_width, &activated)
        });
        let shared = plan.shared.as_ref();
        let shared = shared.map(|shared| self.dense(&shared.gate_up, &shared.down, shared.hidden_len, x));
        let summed = shared.as_deref().filter(|_| config.sums_shared());
        let sums = expert_sum(&outputs, summed, &factors, config, own_width);
        let (mut output, shared) = match (&plan.latent, plan.norms) {
            (Some(latent), _) => (project(weights, &latent.up, &sums, own_width, width, None), shared),
            (None, Some(norms)) => {
                let normed = |outputs: &[f32], norm| self.normed(outputs, Some(norm));
                (normed(&sums, norms.output), shared.map(|shared| normed(&shared, norms.shared_output)))
            }
            (None, None) => return sums,
        };
        output.iter_mut().zip(shared.iter().flatten()).for_each(|(sum, shared)| *sum += shared);
        output
    }

    /// The router's scores: `[tokens][score_rows]`. `x` is the experts' input, unless the router has a norm of its own.
    fn expert_scores(&self, plan: &ExpertsPlan, hidden: &[f32], x: &Activations<'_>) -> Vec<f32> {
        let (rows, width) = (plan.score_rows() as usize, self.config.embedding_len as usize);
        let Some(norms) = plan.norms else { return self.weights.product(&plan.router, rows, x, plan.router_bias) };
        let mut input = self.normed(hidden, Some(norms.router));
        let scale = (width as f32).sqrt().recip();
        for value in &mut input {
            *value *= scale;
        }
        project(&self.weights, &plan.router, &input, width, rows, plan.router_bias)
    }

    /// Gate and up projections of an expert, with their activation, for the tokens of `x`.
    fn expert_gate_up(&self, plan: &ExpertsPlan, expert: usize, x: &Activations<'_>) -> Vec<f32> {
        let (hidden, activation) = (plan.config.feed_forward_len as usize, self.config.activation);
        match plan.gate_up {
            ExpertsGateUp::Ungated(up) => {
                let mut activated = self.expert_rows(up, expert, hidden, x);
                activate(&mut activated, activation);
                activated
            }
            ExpertsGateUp::Merged(both) => gated(&self.expert_rows(both, expert, 2 * hidden, x), hidden, activation),
            ExpertsGateUp::Apart { gate, up } => {
                let mut activated = self.expert_rows(gate, expert, hidden, x);
                apply_gate(&mut activated, &self.expert_rows(up, expert, hidden, x), activation);
                activated
            }
        }
    }

    /// The product of an expert's part of a matrix, `rows` rows, with the tokens of `x`, plus its bias.
    fn expert_rows(&self, matrix: ExpertMatrix, expert: usize, rows: usize, x: &Activations<'_>) -> Vec<f32> {
        let mut products = self.weights.expert_product(matrix.weights, expert, rows, x);
        if let Some(bias) = matrix.bias {
            let bias = &self.weights.vector(bias)[expert * rows..][..rows];
            for token in products.chunks_exact_mut(rows) {
                token.iter_mut().zip(bias).for_each(|(product, bias)| *product += bias);
            }
        }
        products
    }
}

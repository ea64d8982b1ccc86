//! The forward pass on the CPU.

use super::activations::Activations;
use super::attention::{AttentionShape, LayerCache, attend};
use super::decoder::CpuDecoder;
use super::layers::{self, by_expert, project, rotate_heads, store_heads};
use super::memory::LayerMemory;
use super::mixers::{
    Columns, Convolution, DeltaNet, StateSpace, convolve, delta_net, gate_attention, gated_norm, gated_then_normed,
    state_space,
};
use super::ops::{activate, apply_gate, expert_sum, gated, layer_norm, multiply, normalise, rms_norm, route};
use super::weights::CpuWeights;
use crate::models::{
    AttentionConfig, AttentionPlan, DeltaNetConfig, DeltaNetPlan, ExpertMatrix, ExpertsGateUp, ExpertsPlan,
    FeedForwardPlan, GateUpPlan, HeadNorm, LayerRope, MixerConfig, MixerPlan, ModelConfig, Product,
    ShortConvolutionConfig, ShortConvolutionPlan, StateSpaceConfig, StateSpacePlan, VectorId,
};
use crate::runtime::backend::Batch;

/// Value of [`CpuDecoder::state_len`] during a forward pass.
const UNKNOWN_STATE: usize = usize::MAX;

impl CpuDecoder {
    /// Runs a batch through all layers and returns the hidden state: `[tokens][embedding_len]`.
    pub(super) async fn layers(&mut self, position: usize, batch: Batch<'_>) -> Vec<f32> {
        // If this future is dropped between two layers, their states are at different tokens.
        self.state_len = UNKNOWN_STATE;
        let (mut hidden, deepstack, two_way) = match batch {
            Batch::Tokens(ids) => (self.embed(ids), &[][..], false),
            Batch::Embeddings { rows, deepstack, two_way } => (rows.to_vec(), deepstack, two_way),
        };
        let place = Place { position, two_way };
        let inputs = self.layer_inputs(batch, &hidden);
        for layer in 0..self.plan.layers.len() {
            let input = self.normed(&hidden, self.plan.layers[layer].mixer_norm);
            self.mixer(layer, place, &input, &mut hidden);
            self.pacer.pause_if_due().await;
            self.feed_forward(layer, self.config.parallel.then_some(input), &mut hidden);
            self.layer_input(layer, &inputs, &mut hidden);
            self.add_deepstack(layer, deepstack, &mut hidden);
            self.pacer.pause_if_due().await;
        }
        self.state_len = position + hidden.len() / self.config.embedding_len as usize;
        hidden
    }

    fn embed(&self, ids: &[u32]) -> Vec<f32> {
        let mut hidden = self.weights.embed(&self.plan.embedding, ids);
        for value in &mut hidden {
            *value *= self.config.embedding_scale;
        }
        hidden
    }

    /// The inputs of all layers, `[tokens][layers][layer_input_len]`, from a batch and its embeddings `hidden`; empty if
    /// the model has none.
    fn layer_inputs(&self, batch: Batch<'_>, hidden: &[f32]) -> Vec<f32> {
        let Some(plan) = &self.plan.layer_inputs else { return Vec::new() };
        let (width, rows) = (self.config.embedding_len as usize, self.config.layer_inputs_len() as usize);
        let mut projected = project(&self.weights, &plan.projection, hidden, width, rows, None);
        let scale = (width as f32).sqrt().recip();
        for value in &mut projected {
            *value *= scale;
        }
        // Embeddings that another model computed have the inputs of the padding token.
        let padding = vec![0; hidden.len() / width];
        let ids = match batch {
            Batch::Tokens(ids) => ids,
            Batch::Embeddings { .. } => &padding,
        };
        let mut inputs = self.weights.embed(&plan.table, ids);
        let table_scale = (plan.len as f32).sqrt();
        for (input, projected) in inputs.iter_mut().zip(self.normed(&projected, Some(plan.norm))) {
            *input = (*input * table_scale + projected) * std::f32::consts::FRAC_1_SQRT_2;
        }
        inputs
    }

    /// Adds a layer's own part of `inputs` to the hidden state, and scales that, in models that do so.
    fn layer_input(&self, index: usize, inputs: &[f32], hidden: &mut [f32]) {
        let (config, plan) = (&self.config, &self.plan.layers[index]);
        let (width, all) = (config.embedding_len as usize, config.layer_inputs_len() as usize);
        if let Some(input) = &plan.input {
            let len = input.len as usize;
            let mut gated = project(&self.weights, &input.gate, hidden, width, len, None);
            activate(&mut gated, config.activation);
            for (gated, inputs) in gated.chunks_exact_mut(len).zip(inputs.chunks_exact(all)) {
                multiply(gated, &inputs[index * len..][..len]);
            }
            let output = project(&self.weights, &input.output, &gated, len, width, None);
            self.add(hidden, output, Some(input.norm));
        }
        if let Some(scale) = plan.scale {
            let scale = self.weights.vector(scale)[0];
            for value in hidden {
                *value *= scale;
            }
        }
    }

    /// Adds what embeddings have for a layer's result to the hidden state.
    fn add_deepstack(&self, layer: usize, deepstack: &[f32], hidden: &mut [f32]) {
        let (width, layers) = (self.config.embedding_len as usize, self.config.deepstack_layers as usize);
        if layer < layers {
            let rows = deepstack.chunks_exact(layers * width).flat_map(|row| &row[layer * width..][..width]);
            hidden.iter_mut().zip(rows).for_each(|(sum, value)| *sum += value);
        }
    }

    /// The output head: logits from hidden states.
    pub(super) fn head(&self, hidden: &[f32]) -> Vec<f32> {
        let config = &self.config;
        let normed = self.normed(hidden, Some(self.plan.output_norm));
        let width = config.embedding_len as usize;
        let mut logits = project(&self.weights, &self.plan.output, &normed, width, config.vocab as usize, None);
        for logit in &mut logits {
            *logit *= config.logit_scale;
            if let Some(cap) = config.logit_softcap {
                *logit = cap * (*logit / cap).tanh();
            }
        }
        logits
    }

    /// Adds the output of a layer's mixer for `input` to the hidden state.
    fn mixer(&mut self, index: usize, place: Place, input: &[f32], hidden: &mut [f32]) {
        let (config, plan) = (&self.config, &self.plan.layers[index]);
        let mixer = MixerInput { config, weights: &self.weights, x: input };
        let cache_of = config.layers[index].mixer.attention().and_then(|attention| attention.cache_of);
        let memory = &mut self.memories[cache_of.map_or(index, |layer| layer as usize)];
        let output = match (&config.layers[index].mixer, &plan.mixer, memory) {
            (MixerConfig::Attention(attention), MixerPlan::Attention(plan), LayerMemory::Rows(cache)) => {
                let is_windowed = attention.rope == LayerRope::Window;
                let angles = self.window_rope.as_ref().filter(|_| is_windowed).unwrap_or(&self.rope);
                mixer.attention(attention, plan, (angles, place), cache)
            }
            (
                MixerConfig::ShortConvolution(convolution),
                MixerPlan::ShortConvolution(plan),
                LayerMemory::State(state),
            ) => mixer.short_convolution(*convolution, plan, state),
            (MixerConfig::DeltaNet(net), MixerPlan::DeltaNet(plan), LayerMemory::State(state)) => {
                mixer.delta_net(net, plan, state)
            }
            (MixerConfig::StateSpace(space), MixerPlan::StateSpace(plan), LayerMemory::State(state)) => {
                mixer.state_space(space, plan, state)
            }
            _ => unreachable!("plan and memory belong to this configuration"),
        };
        self.add(hidden, output, plan.mixer_post_norm);
    }

    /// Adds the output of a layer's feed-forward part to the hidden state. Its `input` follows from that, unless it is
    /// parallel to the mixer and has the same one.
    fn feed_forward(&self, index: usize, input: Option<Vec<f32>>, hidden: &mut [f32]) {
        let (config, plan) = (&self.config, &self.plan.layers[index]);
        let input = input.unwrap_or_else(|| self.normed(hidden, plan.feed_forward_norm));
        let x = Activations::new(&input, config.embedding_len as usize);
        let output = match &plan.feed_forward {
            FeedForwardPlan::Dense { gate_up, down } => {
                self.dense(gate_up, down, config.layers[index].feed_forward.hidden_len(), &x)
            }
            FeedForwardPlan::Experts(experts) => self.experts(experts, &input, &x),
        };
        self.add(hidden, output, plan.feed_forward_post_norm);
    }

    /// A feed-forward part for all tokens, `hidden_len` wide.
    fn dense(&self, gate_up: &GateUpPlan, down: &Product, hidden_len: u32, x: &Activations<'_>) -> Vec<f32> {
        let (hidden_len, width) = (hidden_len as usize, self.config.embedding_len as usize);
        let activated = layers::gate_up(&self.weights, gate_up, hidden_len, x, self.config.activation);
        project(&self.weights, down, &activated, hidden_len, width, None)
    }

    /// Mixture of experts; `x` is made from `input`.
    fn experts(&self, plan: &ExpertsPlan, input: &[f32], x: &Activations<'_>) -> Vec<f32> {
        let (config, weights, width) = (&plan.config, &self.weights, self.config.embedding_len as usize);
        let scores = weights.product(&plan.router, plan.score_rows() as usize, x, plan.router_bias);
        let bias = plan.bias.map(|bias| weights.vector(bias));
        let (chosen, factors) = route(&scores, bias, config, plan.is_gated());
        let outputs = by_expert(input, width, &chosen, config, |expert, x| {
            let activated = self.expert_gate_up(plan, expert, x);
            let activated = Activations::new(&activated, config.feed_forward_len as usize);
            self.expert_rows(plan.down, expert, width, &activated)
        });
        let shared = plan.shared.as_ref();
        let shared = shared.map(|shared| self.dense(&shared.gate_up, &shared.down, shared.hidden_len, x));
        expert_sum(&outputs, shared.as_deref(), &factors, config, width)
    }

    /// Gate and up projections of an expert, with their activation, for the tokens of `x`.
    fn expert_gate_up(&self, plan: &ExpertsPlan, expert: usize, x: &Activations<'_>) -> Vec<f32> {
        let (hidden, activation) = (plan.config.feed_forward_len as usize, self.config.activation);
        match plan.gate_up {
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

    pub(super) fn normed(&self, hidden: &[f32], norm: Option<VectorId>) -> Vec<f32> {
        let Some(norm) = norm else { return hidden.to_vec() };
        let (weight, eps) = (self.weights.vector(norm), self.config.norm_eps);
        if self.config.centred_norms { layer_norm(hidden, weight, None, eps) } else { rms_norm(hidden, weight, eps) }
    }

    /// Adds a layer's output to the hidden state.
    fn add(&self, hidden: &mut [f32], output: Vec<f32>, post_norm: Option<VectorId>) {
        let output = match post_norm {
            Some(_) => self.normed(&output, post_norm),
            None => output,
        };
        hidden.iter_mut().zip(&output).for_each(|(sum, value)| *sum += self.config.residual_scale * value);
    }
}

/// Where a batch is in its sequence.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Index of the first token.
    position: usize,
    /// All tokens of the batch attend to each other.
    two_way: bool,
}

/// Inputs of a mixer.
pub(super) struct MixerInput<'a> {
    pub(super) config: &'a ModelConfig,
    pub(super) weights: &'a CpuWeights,
    /// The normalised hidden state: `[tokens][embedding_len]`
    x: &'a [f32],
}

impl MixerInput<'_> {
    /// The product with the input, plus `bias`: `[tokens][rows]`.
    pub(super) fn project(&self, product: &Product, rows: u32, bias: Option<VectorId>) -> Vec<f32> {
        project(self.weights, product, self.x, self.config.embedding_len as usize, rows as usize, bias)
    }

    /// The output projection of `mixed`: `[tokens][len]`.
    fn output(&self, product: &Product, mixed: &[f32], len: u32, bias: Option<VectorId>) -> Vec<f32> {
        project(self.weights, product, mixed, len as usize, self.config.embedding_len as usize, bias)
    }

    /// Attention over the cache before `place` and the tokens themselves, which an earlier layer may have stored there.
    fn attention(
        &self,
        attention: &AttentionConfig,
        plan: &AttentionPlan,
        (angles, place): (&[[f32; 2]], Place),
        cache: &mut LayerCache,
    ) -> Vec<f32> {
        let (heads, angles) = (attention.rotated_heads(), (angles, place.position));
        let (query, gates) = match &plan.latent {
            Some(latent) => (self.latent_queries(attention, (&plan.qkv, latent), angles, cache), None),
            None => self.queries(attention, plan, angles, cache),
        };
        let shape = AttentionShape {
            heads,
            scale: self.config.attention_scale,
            temperature: self.config.attention_temperature,
            softcap: self.config.attention_softcap,
            window: attention.window,
            bidirectional: place.two_way || self.config.two_way,
            ahead: self.config.ahead(attention),
            alibi: false,
        };
        let sinks = plan.sinks.map_or(&[][..], |sinks| self.weights.vector(sinks));
        let mut attended = attend(&query, cache, sinks, &shape);
        if let Some(projected) = &gates {
            let range = 0..attention.query_rows() as usize;
            let gates = Columns { rows: projected, row_len: attention.qkv_rows() as usize, range };
            gate_attention(&mut attended, &gates, heads.head_dim as usize);
        }
        if let Some(latent) = &plan.latent {
            attended = self.latent_values(attention, latent, &attended);
        }
        self.output(&plan.output, &attended, attention.output_len(), plan.output_bias)
    }

    /// Queries, and the projection if it has gates. Appends keys and values, if the layer has its own, to the cache.
    fn queries(
        &self,
        attention: &AttentionConfig,
        plan: &AttentionPlan,
        (angles, position): (&[[f32; 2]], usize),
        cache: &mut LayerCache,
    ) -> (Vec<f32>, Option<Vec<f32>>) {
        let projected = self.project(&plan.qkv, attention.qkv_rows(), plan.qkv_bias);
        let (mut rows, gates) = if attention.is_gated {
            (without_gates(&projected, attention), Some(projected))
        } else {
            (projected, None)
        };
        let row_len = (attention.heads.query_len() + attention.key_len() + attention.value_len()) as usize;
        let heads = attention.rotated_heads();
        let norm = |rows: &mut [f32]| {
            rows.chunks_exact_mut(row_len).for_each(|row| self.norm_heads(row, attention, plan));
        };
        if self.config.head_norm == HeadNorm::HeadAfterRope {
            rotate_heads(&mut rows, row_len, &heads, angles, position);
            norm(&mut rows);
        } else {
            norm(&mut rows);
            rotate_heads(&mut rows, row_len, &heads, angles, position);
        }
        let query = if attention.cache_of.is_some() {
            store_heads(rows, &heads, None)
        } else {
            cache.truncate(position);
            store_heads(rows, &heads, Some(cache))
        };
        (query, gates)
    }

    /// Norms of a token's queries, keys and values, in models that have them.
    fn norm_heads(&self, row: &mut [f32], attention: &AttentionConfig, plan: &AttentionPlan) {
        let (query, rest) = row.split_at_mut(attention.heads.query_len() as usize);
        let (key, value) = rest.split_at_mut(attention.key_len() as usize);
        let (query_norm, key_norm) = plan.head_norms.unzip();
        for (part, norm) in [(query, query_norm), (key, key_norm.flatten())] {
            let Some(norm) = norm else { continue };
            let normed = rms_norm(part, self.weights.vector(norm), self.config.norm_eps);
            part.copy_from_slice(&normed);
        }
        if self.config.value_norm {
            let heads = value.chunks_exact_mut(attention.heads.value_dim as usize);
            heads.for_each(|head| normalise(head, self.config.norm_eps));
        }
    }

    fn short_convolution(
        &self,
        config: ShortConvolutionConfig,
        plan: &ShortConvolutionPlan,
        state: &mut [Vec<f32>],
    ) -> Vec<f32> {
        let channels = config.channels;
        let rows = self.project(&plan.input, 3 * channels, None);
        let convolution = Convolution {
            taps: self.weights.vector(plan.taps),
            bias: &[],
            channels: channels as usize,
            input_at: 0,
            gated: true,
        };
        let mixed = convolve(&rows, 3 * channels as usize, &convolution, &mut state[0]);
        self.output(&plan.output, &mixed, channels, None)
    }

    fn delta_net(&self, config: &DeltaNetConfig, plan: &DeltaNetPlan, state: &mut [Vec<f32>]) -> Vec<f32> {
        let row_len = config.projection_rows() as usize;
        let rows = self.project(&plan.input, config.projection_rows(), None);
        let columns = |at: u32, len: u32| Columns { rows: &rows, row_len, range: at as usize..(at + len) as usize };
        let vector = |id| self.weights.vector(id);
        let channels = config.channels() as usize;
        let convolution = Convolution { taps: vector(plan.taps), bias: &[], channels, input_at: 0, gated: false };
        let qkv = convolve(&rows, row_len, &convolution, &mut state[0]);
        let net = DeltaNet {
            key_heads: config.key_heads as usize,
            value_heads: config.value_heads as usize,
            head_dim: config.head_dim as usize,
            decay: vector(plan.decay),
            dt_bias: vector(plan.decay_bias),
            eps: self.config.norm_eps,
        };
        let alpha = columns(config.alpha_at(), config.value_heads);
        let beta = columns(config.beta_at(), config.value_heads);
        let mixed = delta_net(&qkv, &alpha, &beta, &net, &mut state[1]);
        let gate = columns(config.gate_at(), config.value_len());
        let mixed = gated_norm(&mixed, vector(plan.norm), self.config.norm_eps, &gate);
        self.output(&plan.output, &mixed, config.value_len(), None)
    }

    fn state_space(&self, config: &StateSpaceConfig, plan: &StateSpacePlan, state: &mut [Vec<f32>]) -> Vec<f32> {
        let row_len = config.projection_rows() as usize;
        let rows = self.project(&plan.input, config.projection_rows(), None);
        let columns = |at: u32, len: u32| Columns { rows: &rows, row_len, range: at as usize..(at + len) as usize };
        let vector = |id| self.weights.vector(id);
        let convolution = Convolution {
            taps: vector(plan.taps),
            bias: vector(plan.taps_bias),
            channels: config.channels() as usize,
            input_at: config.convolved_at() as usize,
            gated: false,
        };
        let inputs = convolve(&rows, row_len, &convolution, &mut state[0]);
        let space = StateSpace {
            heads: config.heads as usize,
            head_dim: config.head_dim as usize,
            groups: config.groups as usize,
            step_bias: vector(plan.step_bias),
            decay: vector(plan.decay),
            skip: vector(plan.skip),
        };
        let mixed = state_space(&inputs, &columns(config.steps_at(), config.heads), &space, &mut state[1]);
        let (groups, gate) = (config.groups as usize, columns(0, config.inner_len()));
        let mixed = gated_then_normed(mixed, vector(plan.norm), groups, self.config.norm_eps, &gate);
        self.output(&plan.output, &mixed, config.inner_len(), None)
    }
}

/// Rows of queries, keys and values, without the gate that follows each query.
fn without_gates(projected: &[f32], attention: &AttentionConfig) -> Vec<f32> {
    let (dim, query_rows) = (attention.heads.head_dim as usize, attention.query_rows() as usize);
    let mut rows = Vec::with_capacity(projected.len());
    for row in projected.chunks_exact(attention.qkv_rows() as usize) {
        let (queries, others) = row.split_at(query_rows);
        queries.chunks_exact(2 * dim).for_each(|head| rows.extend_from_slice(&head[..dim]));
        rows.extend_from_slice(others);
    }
    rows
}

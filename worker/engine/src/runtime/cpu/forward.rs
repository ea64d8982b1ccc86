//! The forward pass on the CPU.

use super::attention::{AttentionShape, LayerCache, attend};
use super::decoder::CpuDecoder;
use super::layer_memory::{LayerMemory, SequenceMemory};
use super::layers::{project, rotate_heads, store_heads};
use super::mixers::{
    Columns, Convolution, DeltaNet, StateSpace, convolve, delta_net, gate_attention, gated_norm, gated_then_normed,
    state_space,
};
use super::ops::{activate, layer_norm, multiply, normalise, rms_norm};
use super::streams::add_to_each;
use super::weights::CpuWeights;
use crate::models::{
    AttentionConfig, AttentionPlan, DeltaNetConfig, DeltaNetPlan, HeadNorm, LayerRope, MixerConfig, MixerPlan,
    ModelConfig, Product, ShortConvolutionConfig, ShortConvolutionPlan, StateSpaceConfig, StateSpacePlan, VectorId,
};
use crate::runtime::backend::Batch;

/// Value of [`SequenceMemory::state_len`] during a forward pass.
const UNKNOWN_STATE: usize = usize::MAX;

impl CpuDecoder {
    /// Runs a batch of the selected sequence through all layers and returns the hidden state:
    /// `[tokens][embedding_len]`.
    pub(super) async fn layers(&mut self, position: usize, batch: Batch<'_>) -> Vec<f32> {
        let (tokens, two_way) = match batch {
            Batch::Tokens(ids) => (ids.len(), false),
            Batch::Embeddings { rows, two_way, .. } => (rows.len() / self.config.embedding_len as usize, two_way),
        };
        self.layers_at(&[Place { sequence: self.selected, position, tokens, two_way }], batch).await
    }

    /// Runs a batch through all layers; its tokens belong to these places, in this order.
    pub(super) async fn layers_at(&mut self, places: &[Place], batch: Batch<'_>) -> Vec<f32> {
        // If this future is dropped between two layers, their states are at different tokens.
        for place in places {
            self.memories[place.sequence].state_len = UNKNOWN_STATE;
        }
        let (mut hidden, deepstack) = match batch {
            Batch::Tokens(ids) => (self.embed(ids), &[][..]),
            Batch::Embeddings { rows, deepstack, .. } => (rows.to_vec(), deepstack),
        };
        let inputs = self.layer_inputs(batch, &hidden);
        let mut others = self.expand_streams(&hidden);
        for layer in 0..self.plan.layers.len() {
            let prediction = self.predict_streams(layer, &mut hidden, &mut others);
            let input = self.normed(&hidden, self.plan.layers[layer].mixer_norm);
            self.mixers(layer, places, &input, &mut hidden);
            self.pacer.pause_if_due().await;
            self.feed_forward(layer, self.config.parallel.then_some(input), &mut hidden);
            let gate_input = self.correct_streams(layer, &prediction, &mut hidden, &mut others);
            self.layer_input(layer, &inputs, &mut hidden, gate_input.as_deref().zip(Some(&mut others[..])));
            self.add_deepstack(layer, deepstack, &mut hidden);
            self.pacer.pause_if_due().await;
        }
        self.merge_streams(&mut hidden, &others);
        for place in places {
            self.memories[place.sequence].state_len = place.position + place.tokens;
        }
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

    /// Adds a layer's own part of `inputs` to the hidden state, and scales that, in models that do so. If it consists of
    /// several vectors, `streams` are the input of the gates and the vectors to add to.
    fn layer_input(&self, index: usize, inputs: &[f32], hidden: &mut [f32], streams: Option<(&[f32], &mut [f32])>) {
        let (config, plan) = (&self.config, &self.plan.layers[index]);
        let (width, all) = (config.embedding_len as usize, config.layer_inputs_len() as usize);
        if let Some(input) = &plan.input {
            let len = input.len as usize;
            let x = streams.as_ref().map_or(&*hidden, |(gate_input, _)| *gate_input);
            let mut gated = project(&self.weights, &input.gate, x, width, len, None);
            activate(&mut gated, config.activation);
            for (gated, inputs) in gated.chunks_exact_mut(len).zip(inputs.chunks_exact(all)) {
                multiply(gated, &inputs[index * len..][..len]);
            }
            let output = project(&self.weights, &input.output, &gated, len, width, None);
            match streams {
                Some((_, others)) => add_to_each(others, &self.normed(&output, Some(input.norm)), width),
                None => self.add(hidden, output, Some(input.norm)),
            }
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

    /// Adds the outputs of a layer's mixers for `input` to the hidden state.
    fn mixers(&mut self, index: usize, places: &[Place], input: &[f32], hidden: &mut [f32]) {
        let (config, plan) = (&self.config, &self.plan.layers[index]);
        for own in config.layers[index].mixers.iter().zip(&plan.mixers) {
            let (mut output, mut rest) = (Vec::with_capacity(hidden.len()), input);
            for place in places {
                let (x, others) = rest.split_at(place.tokens * config.embedding_len as usize);
                let mixer = MixerInput { config, weights: &self.weights, x };
                output.extend(mixer.mix(index, own, *place, &mut self.memories[place.sequence]));
                rest = others;
            }
            self.add(hidden, output, plan.mixer_post_norm);
        }
        if let Some(low_rank) = &plan.low_rank {
            self.add_low_rank(low_rank, input, hidden);
        }
    }

    pub(super) fn normed(&self, hidden: &[f32], norm: Option<VectorId>) -> Vec<f32> {
        let Some(norm) = norm else { return hidden.to_vec() };
        let (weight, eps) = (self.weights.vector(norm), self.config.norm_eps);
        if self.config.centred_norms { layer_norm(hidden, weight, None, eps) } else { rms_norm(hidden, weight, eps) }
    }

    /// Adds a layer's output to the hidden state.
    pub(super) fn add(&self, hidden: &mut [f32], output: Vec<f32>, post_norm: Option<VectorId>) {
        let output = match post_norm {
            Some(_) => self.normed(&output, post_norm),
            None => output,
        };
        hidden.iter_mut().zip(&output).for_each(|(sum, value)| *sum += self.config.residual_scale * value);
    }
}

/// Where some tokens of a batch belong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Index of their sequence.
    pub(super) sequence: usize,
    /// Position of the first of them.
    pub(super) position: usize,
    /// How many they are.
    pub(super) tokens: usize,
    /// All of them attend to each other.
    pub(super) two_way: bool,
}

/// Inputs of a mixer.
pub(super) struct MixerInput<'a> {
    pub(super) config: &'a ModelConfig,
    pub(super) weights: &'a CpuWeights,
    /// The normalised hidden state: `[tokens][embedding_len]`
    x: &'a [f32],
}

impl MixerInput<'_> {
    /// The output of a mixer of layer `index`, for tokens at `place`.
    fn mix(
        &self,
        index: usize,
        own: (&MixerConfig, &MixerPlan),
        place: Place,
        memory: &mut SequenceMemory,
    ) -> Vec<f32> {
        let cache_of = own.0.attention().and_then(|attention| attention.cache_of);
        let SequenceMemory { layers, rope, window_rope, .. } = memory;
        let LayerMemory { rows, state } = &mut layers[cache_of.map_or(index, |layer| layer as usize)];
        match (own, rows) {
            ((MixerConfig::Attention(attention), MixerPlan::Attention(plan)), Some(cache)) => {
                let is_windowed = attention.rope == LayerRope::Window;
                let angles = window_rope.as_ref().filter(|_| is_windowed).unwrap_or(&*rope);
                self.attention(attention, plan, (angles, place), cache)
            }
            ((MixerConfig::ShortConvolution(convolution), MixerPlan::ShortConvolution(plan)), _) => {
                self.short_convolution(*convolution, plan, state)
            }
            ((MixerConfig::DeltaNet(net), MixerPlan::DeltaNet(plan)), _) => self.delta_net(net, plan, state),
            ((MixerConfig::StateSpace(space), MixerPlan::StateSpace(plan)), _) => self.state_space(space, plan, state),
            _ => unreachable!("plan and memory belong to this configuration"),
        }
    }

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
            cache.begin(position);
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
            let (weight, eps) = (self.weights.vector(norm), self.config.norm_eps);
            let normed = match self.config.head_norm {
                HeadNorm::CentredHead => {
                    let dim = attention.heads.head_dim as usize;
                    let heads = part.chunks_exact(dim).zip(weight.chunks_exact(dim));
                    heads.flat_map(|(head, weight)| layer_norm(head, weight, None, eps)).collect()
                }
                HeadNorm::None | HeadNorm::Head | HeadNorm::HeadAfterRope | HeadNorm::Row => {
                    rms_norm(part, weight, eps)
                }
            };
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
            grouped: config.grouped,
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
        let mixed = gated_then_normed(mixed, plan.norm.map(vector), groups, self.config.norm_eps, &gate);
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

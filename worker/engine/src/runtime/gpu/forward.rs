//! The forward pass: in most families five dispatches per layer, between the embedding and the output head. `mixers.rs`
//! has the mixers, `feed_forward.rs` the feed-forward parts.

use super::buffers::Buffers;
use super::product::{Input, Output, ProductBuilder};
use super::weights::Weights;
use crate::error::Result;
use crate::kernels::linear::{Epilogue, LinearTuning};
use crate::kernels::norm::{AddNorm, LayerNorm};
use crate::kernels::rows::AddRows;
use crate::kernels::{Grid, TokensOf};
use crate::models::{LayerInputPlan, LayerInputsPlan, ModelConfig, ModelPlan, Product, VectorId};
use crate::runtime::device::{AttentionSplits, Dispatch, Gpu, Task, Tuning};

/// The tokens of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tokens {
    /// Any number, of one sequence.
    Several,
    /// Always one.
    One,
    /// One of each of several sequences.
    OneOfEach,
}

/// Layout of a program.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Layout of matrix products.
    pub linear: LinearTuning,
    /// The same of products with the matrices of experts.
    pub experts: LinearTuning,
    /// Number of workgroups that share the positions of an attention head.
    pub splits: AttentionSplits,
    /// What every batch consists of.
    pub tokens: Tokens,
    /// All tokens of a batch attend to each other.
    pub two_way: bool,
    /// A buffer is added to the results of the first layers.
    pub has_deepstack: bool,
}

impl Layout {
    /// For batches of several tokens of one sequence.
    pub(super) fn batch(linear: LinearTuning) -> Self {
        let splits = AttentionSplits { from: 0, splits: 1 };
        Self { linear, experts: linear, splits, tokens: Tokens::Several, two_way: false, has_deepstack: false }
    }

    /// For one token, with entry `step` of [`Tuning::attention_splits`].
    pub(super) fn token(tuning: &Tuning, step: usize) -> Self {
        Self { splits: tuning.attention_splits[step], tokens: Tokens::One, ..Self::batch(tuning.decode) }
    }
}

/// What happens to a layer's output when it is added to the hidden state.
#[derive(Debug, Clone, Copy)]
pub(super) struct PostNorm {
    /// RMS norm of the output.
    pub norm: Option<VectorId>,
    /// Factor of the sum; only with a norm.
    pub sum_scale: Option<VectorId>,
    /// What `normed` holds is added, too, and the sum is multiplied by this; only with a norm.
    pub residual: Option<f32>,
}

impl From<Option<VectorId>> for PostNorm {
    fn from(norm: Option<VectorId>) -> Self {
        Self { norm, sum_scale: None, residual: None }
    }
}

/// Builds dispatches for one model on one device.
pub(super) struct ForwardBuilder<'a> {
    pub gpu: &'a Gpu,
    pub config: &'a ModelConfig,
    pub plan: &'a ModelPlan,
    pub weights: &'a Weights,
    pub buffers: &'a Buffers,
    pub layout: Layout,
}

impl ForwardBuilder<'_> {
    /// From the embeddings of the token IDs in `ids` to the hidden state after the last layer.
    pub(super) fn layers(&self, ids: &wgpu::Buffer) -> Result<Vec<Dispatch>> {
        let mut program = Vec::new();
        if let Some(plan) = &self.plan.layer_inputs {
            self.layer_inputs(&mut program, plan, ids)?;
        }
        if let Some(plan) = &self.plan.streams {
            self.expand_streams(&mut program, plan)?;
        }
        for (index, layer) in self.plan.layers.iter().enumerate() {
            if let Some(streams) = &layer.streams {
                self.predict_streams(&mut program, streams)?;
            }
            self.mixers(&mut program, index)?;
            self.feed_forward(&mut program, index)?;
            if let Some(streams) = &layer.streams {
                self.correct_streams(&mut program, streams)?;
            }
            if let Some(input) = &layer.input {
                self.layer_input(&mut program, index, input, layer.scale)?;
            }
            if self.layout.has_deepstack && index < self.config.deepstack_layers as usize {
                program.push(self.add_deepstack(index as u32));
            }
        }
        if let Some(plan) = &self.plan.streams {
            self.merge_streams(&mut program, plan)?;
        }
        Ok(program)
    }

    /// From the token IDs in `ids` to the logits.
    pub(super) fn whole(&self, ids: &wgpu::Buffer) -> Result<Vec<Dispatch>> {
        let mut program = self.embed(ids)?;
        program.extend(self.layers(ids)?);
        program.extend(self.head()?);
        Ok(program)
    }

    /// The inputs of all layers, from token IDs and their embeddings.
    fn layer_inputs(&self, program: &mut Vec<Dispatch>, plan: &LayerInputsPlan, ids: &wgpu::Buffer) -> Result<()> {
        let (buffers, rows) = (self.buffers, self.config.layer_inputs_len());
        let (len, count) = (plan.len, self.config.layers.len() as u32);
        let half_root = std::f32::consts::FRAC_1_SQRT_2;
        let scale = (self.config.embedding_len as f32).sqrt().recip();
        let projected = Output {
            epilogue: Epilogue::Store { scale, softcap: None },
            y: &buffers.projected_inputs,
            rows,
            extra: &[],
        };
        self.products().push(program, &plan.projection, &Input::new(&buffers.hidden), &projected)?;
        let table_scale = (len as f32).sqrt() * half_root;
        self.products().embed(program, &plan.table, ids, &buffers.layer_inputs, table_scale, false)?;
        let norm = AddNorm { len, count, scale: half_root, ..self.plain_add_norm() };
        self.add_norm(program, norm, [&buffers.projected_inputs, &buffers.layer_inputs], (plan.norm, None));
        Ok(())
    }

    /// Adds a layer's own input to the hidden state, and scales it. If that consists of several vectors, the first one
    /// opens the gates, and the others are added to.
    fn layer_input(
        &self,
        program: &mut Vec<Dispatch>,
        index: usize,
        plan: &LayerInputPlan,
        scale: Option<VectorId>,
    ) -> Result<()> {
        let (buffers, len) = (self.buffers, self.config.layer_inputs_len());
        let rows = plan.len;
        let epilogue = Epilogue::GateInput { activation: self.config.activation, at: rows * index as u32, len };
        let extra = [("gated_input", &buffers.layer_inputs)];
        let gated = Output { epilogue, y: &buffers.activated, rows, extra: &extra };
        let x = if self.config.streams.is_some() { &buffers.normed } else { &buffers.hidden };
        self.products().push(program, &plan.gate, &Input::new(x), &gated)?;
        let input = Input::new(&buffers.activated);
        if let Some(count) = self.config.streams {
            let output =
                Output { epilogue: Epilogue::STORE, y: &buffers.output, rows: self.config.embedding_len, extra: &[] };
            self.products().push(program, &plan.output, &input, &output)?;
            let kernel = AddNorm { places: count - 1, ..self.plain_add_norm() };
            self.add_norm(program, kernel, [&buffers.output, &buffers.streams], (plan.norm, None));
            return Ok(());
        }
        self.add_to_hidden(
            program,
            &plan.output,
            &input,
            PostNorm { sum_scale: scale, ..PostNorm::from(Some(plan.norm)) },
        )
    }

    /// Adds what embeddings have for a layer's result to the hidden state.
    fn add_deepstack(&self, layer: u32) -> Dispatch {
        let (buffers, len) = (self.buffers, self.config.embedding_len);
        let rows = AddRows { len, stride: len * self.config.deepstack_layers, at: len * layer, scaled: false };
        let bound = [("state", &buffers.state), ("x", &buffers.deepstack), ("y", &buffers.hidden)];
        Dispatch::new(self.gpu, &rows.shader(), &bound, Grid::TokensInX)
    }

    /// The norm of the hidden state before the output head, in place. [`ForwardBuilder::head`] needs none.
    pub(super) fn output_norm(&self) -> Dispatch {
        self.norm(self.plan.output_norm, &self.buffers.hidden, None)
    }

    /// A norm of `x`, which has the shape of the hidden state: into `y`, or in place.
    pub(super) fn norm(&self, weight: VectorId, x: &wgpu::Buffer, y: Option<&wgpu::Buffer>) -> Dispatch {
        let config = self.config;
        let (len, eps) = (config.embedding_len, config.norm_eps);
        let mut bound = vec![("state", &self.buffers.state), ("x", x), ("norm_weight", self.weights.vector(weight))];
        bound.extend(y.map(|y| ("y", y)));
        let in_place = y.is_none();
        let norm =
            LayerNorm { len, rms: !config.centred_norms, bias: false, residual: false, in_place, halves: false, eps };
        Dispatch::new(self.gpu, &norm.shader(), &bound, Grid::TokensInX).computing(Task::LayerNorm(norm))
    }

    /// Runs a norm that products do not apply themselves. [`ForwardBuilder::normed_input`] is its result.
    pub(super) fn norm_apart(&self, program: &mut Vec<Dispatch>, norm: Option<VectorId>) {
        let (hidden, normed) = (&self.buffers.hidden, &self.buffers.normed);
        let norm = norm.filter(|_| self.config.has_norm_dispatch());
        program.extend(norm.map(|norm| self.norm(norm, hidden, Some(normed))));
    }

    /// The hidden state after `norm`, as the input of products.
    pub(super) fn normed_input(&self, norm: Option<VectorId>) -> Input<'_> {
        if self.config.has_norm_dispatch() {
            Input::new(&self.buffers.normed)
        } else {
            Input { norm, ..Input::new(&self.buffers.hidden) }
        }
    }

    /// From the hidden state to the logits.
    pub(super) fn head(&self) -> Result<Vec<Dispatch>> {
        let config = self.config;
        let epilogue = Epilogue::Store { scale: config.logit_scale, softcap: config.logit_softcap };
        let output = Output { epilogue, y: &self.buffers.logits, rows: config.vocab, extra: &[] };
        let norm = Some(self.plan.output_norm);
        let mut program = Vec::new();
        self.norm_apart(&mut program, norm);
        self.products().push(&mut program, &self.plan.output, &self.normed_input(norm), &output)?;
        Ok(program)
    }

    /// Looks up the token IDs in `ids`.
    pub(super) fn embed(&self, ids: &wgpu::Buffer) -> Result<Vec<Dispatch>> {
        let (table, scale) = (&self.plan.embedding, self.config.embedding_scale);
        let mut program = Vec::new();
        self.products().embed(&mut program, table, ids, &self.buffers.hidden, scale, false)?;
        Ok(program)
    }

    /// Adds a product to the hidden state, normalised first if there is a post-norm.
    pub(super) fn add_to_hidden(
        &self,
        program: &mut Vec<Dispatch>,
        product: &Product,
        input: &Input<'_>,
        post: PostNorm,
    ) -> Result<()> {
        let (buffers, rows, scale) = (self.buffers, self.config.embedding_len, self.config.residual_scale);
        let Some(norm) = post.norm else {
            let output = Output { epilogue: Epilogue::AddTo { scale }, y: &buffers.hidden, rows, extra: &[] };
            return self.products().push(program, product, input, &output);
        };
        let output = Output { epilogue: Epilogue::STORE, y: &buffers.output, rows, extra: &[] };
        self.products().push(program, product, input, &output)?;
        let (scaled_sum, residual) = (post.sum_scale.is_some(), post.residual);
        let kernel = AddNorm { scale, scaled_sum, residual, ..self.plain_add_norm() };
        self.add_norm(program, kernel, [&buffers.output, &buffers.hidden], (norm, post.sum_scale));
        Ok(())
    }

    /// Adds the norm of the first buffer, times `scale`, to the second, both in the shape of the hidden state. The
    /// weights are those of the norm, and the factor of the sum.
    pub(super) fn add_normed(
        &self,
        program: &mut Vec<Dispatch>,
        buffers: [&wgpu::Buffer; 2],
        scale: f32,
        weights: (VectorId, Option<VectorId>),
    ) {
        let kernel = AddNorm { scale, scaled_sum: weights.1.is_some(), ..self.plain_add_norm() };
        self.add_norm(program, kernel, buffers, weights);
    }

    /// Adds the norm of a vector in the shape of the hidden state.
    fn plain_add_norm(&self) -> AddNorm {
        let (len, eps) = (self.config.embedding_len, self.config.norm_eps);
        AddNorm { len, count: 1, eps, scale: 1.0, scaled_sum: false, residual: None, places: 1 }
    }

    /// Adds the norm of the first buffer to the second. The weights are those of the norm, and the factor of the sum.
    fn add_norm(
        &self,
        program: &mut Vec<Dispatch>,
        kernel: AddNorm,
        [x, y]: [&wgpu::Buffer; 2],
        (norm, sum_scale): (VectorId, Option<VectorId>),
    ) {
        let mut bound =
            vec![("state", &self.buffers.state), ("x", x), ("norm_weight", self.weights.vector(norm)), ("y", y)];
        bound.extend(sum_scale.map(|scale| ("sum_scale", self.weights.vector(scale))));
        bound.extend(kernel.residual.map(|_| ("residual", &self.buffers.normed)));
        let dispatch = Dispatch::new(self.gpu, &kernel.shader(), &bound, kernel.grid());
        program.push(dispatch.computing(Task::AddNorm(kernel)));
    }

    /// Whose tokens a batch has.
    pub(super) fn tokens_of(&self) -> TokensOf {
        match self.buffers.sequences {
            0 | 1 => TokensOf::Only,
            _ if self.layout.tokens == Tokens::OneOfEach => TokensOf::Each,
            _ => TokensOf::One,
        }
    }

    pub(super) fn products(&self) -> ProductBuilder<'_> {
        ProductBuilder {
            gpu: self.gpu,
            weights: self.weights,
            state: &self.buffers.state,
            norm_eps: self.config.norm_eps,
            tuning: self.layout.linear,
            experts: self.layout.experts,
            prepared: Some(&self.buffers.prepared),
            groups: Some(&self.buffers.groups),
        }
    }
}

//! Dispatches of the mixers: attention (what is special about latent attention is in `latent.rs`), short convolution,
//! delta net, state space.

use super::forward::{ForwardBuilder, PostNorm, Tokens};
use super::product::{Input, Output};
use super::weights::Matrix;
use crate::error::Result;
use crate::kernels::CacheLayout;
use crate::kernels::attention::gate::attention_gate;
use crate::kernels::attention::{Attention, AttentionLayout, can_project, has_cooperative_layout};
use crate::kernels::convolution::Convolution;
use crate::kernels::delta_net::DeltaNet;
use crate::kernels::linear::{Epilogue, Linear, MAX_MERGED_LEN, MergedParts, Tiles};
use crate::kernels::norm::{GatedNorm, HeadNormKernel};
use crate::kernels::state_space::StateSpace;
use crate::models::{
    AttentionConfig, AttentionPlan, CacheFormat, DeltaNetConfig, DeltaNetPlan, HeadNorm, LayerPlan, LayerRope,
    MatrixId, MixerConfig, MixerPlan, Product, ShortConvolutionConfig, ShortConvolutionPlan, StateSpaceConfig,
    StateSpacePlan, VectorId,
};
use crate::runtime::device::{Dispatch, Task};

impl ForwardBuilder<'_> {
    /// Adds the outputs of a layer's mixers to the hidden state, after all of them have read it.
    pub(super) fn mixers(&self, program: &mut Vec<Dispatch>, index: usize) -> Result<()> {
        let (layer, mixers) = (&self.plan.layers[index], 0..self.config.layers[index].mixers.len());
        self.norm_apart(program, layer.mixer_norm);
        let outputs = mixers.map(|number| self.mixer(program, index, number)).collect::<Result<Vec<_>>>()?;
        let mut post = PostNorm::from(layer.mixer_post_norm);
        if let Some(plan) = &layer.low_rank {
            self.add_low_rank(program, plan)?;
            post.residual = Some(std::f32::consts::FRAC_1_SQRT_2);
        }
        for (product, input) in &outputs {
            self.add_to_hidden(program, product, input, post)?;
        }
        Ok(())
    }

    /// Computes a mixer of a layer, except for its output projection. Returns that, and its input.
    fn mixer(&self, program: &mut Vec<Dispatch>, index: usize, number: usize) -> Result<(&Product, Input<'_>)> {
        let (layer, recurrent) = (&self.plan.layers[index], Input::new(&self.buffers.recurrent));
        match (&self.config.layers[index].mixers[number], &layer.mixers[number]) {
            (MixerConfig::Attention(config), MixerPlan::Attention(plan)) => {
                let rows = self.buffers.layers[config.cache_of.map_or(index, |layer| layer as usize)].rows();
                let (kv, cache) = (&rows.buffer, CacheLayout { tokens: self.tokens_of(), ..rows.layout });
                let attention = AttentionBuilder { forward: self, layer, plan, config, kv, cache };
                Ok((&plan.output, attention.build(program)?))
            }
            (MixerConfig::ShortConvolution(config), MixerPlan::ShortConvolution(plan)) => {
                self.short_convolution(program, index, *config, plan)?;
                Ok((&plan.output, recurrent))
            }
            (MixerConfig::DeltaNet(config), MixerPlan::DeltaNet(plan)) => {
                self.delta_net(program, index, config, plan)?;
                Ok((&plan.output, recurrent))
            }
            (MixerConfig::StateSpace(config), MixerPlan::StateSpace(plan)) => {
                self.state_space(program, index, config, plan)?;
                Ok((&plan.output, recurrent))
            }
            _ => unreachable!("the plan belongs to this configuration"),
        }
    }

    /// Projects the input of a layer's mixers into the `projected` buffer.
    fn project(&self, program: &mut Vec<Dispatch>, index: usize, product: &[MatrixId], rows: u32) -> Result<()> {
        let input = self.normed_input(self.plan.layers[index].mixer_norm);
        let output = Output { epilogue: Epilogue::STORE, y: &self.buffers.projected, rows, extra: &[] };
        self.products().push(program, product, &input, &output)
    }

    fn short_convolution(
        &self,
        program: &mut Vec<Dispatch>,
        index: usize,
        config: ShortConvolutionConfig,
        plan: &ShortConvolutionPlan,
    ) -> Result<()> {
        let ShortConvolutionConfig { channels, taps } = config;
        self.project(program, index, &plan.input, 3 * channels)?;
        let convolution = Convolution {
            channels,
            taps,
            row_len: 3 * channels,
            input_at: 0,
            gated: true,
            biased: false,
            one_token: self.layout.tokens != Tokens::Several,
            tokens: self.tokens_of(),
        };
        self.convolve(program, index, convolution, (plan.taps, None), &self.buffers.recurrent);
        Ok(())
    }

    /// Convolution over a part of the projection, with weights and bias, into `y`. Uses the first of the layer's states.
    fn convolve(
        &self,
        program: &mut Vec<Dispatch>,
        index: usize,
        convolution: Convolution,
        (taps, bias): (VectorId, Option<VectorId>),
        y: &wgpu::Buffer,
    ) {
        let (buffers, memory) = (self.buffers, &self.buffers.layers[index].state[0]);
        let mut bound = vec![
            ("state", &buffers.state),
            ("rows", &buffers.projected),
            ("taps", self.weights.vector(taps)),
            ("memory", memory),
            ("y", y),
        ];
        bound.extend(bias.map(|bias| ("bias", self.weights.vector(bias))));
        let dispatch = Dispatch::new(self.gpu, &convolution.shader(), &bound, convolution.grid());
        program.push(dispatch.computing(Task::Convolution(convolution)));
        if !convolution.one_token {
            let bound = [("state", &buffers.state), ("rows", &buffers.projected), ("memory", memory)];
            let dispatch = Dispatch::new(self.gpu, &convolution.state_shader(), &bound, convolution.state_grid());
            program.push(dispatch.computing(Task::ConvolutionState(convolution)));
        }
    }

    fn delta_net(
        &self,
        program: &mut Vec<Dispatch>,
        index: usize,
        config: &DeltaNetConfig,
        plan: &DeltaNetPlan,
    ) -> Result<()> {
        let (buffers, row_len) = (self.buffers, config.projection_rows());
        self.project(program, index, &plan.input, row_len)?;
        let convolution = Convolution {
            channels: config.channels(),
            taps: config.taps,
            row_len,
            input_at: 0,
            gated: false,
            biased: false,
            one_token: self.layout.tokens != Tokens::Several,
            tokens: self.tokens_of(),
        };
        self.convolve(program, index, convolution, (plan.taps, None), &buffers.inner);
        let net = DeltaNet {
            key_heads: config.key_heads,
            value_heads: config.value_heads,
            grouped: config.grouped,
            head_dim: config.head_dim,
            gates_row_len: row_len,
            alpha_at: config.alpha_at(),
            beta_at: config.beta_at(),
            eps: self.config.norm_eps,
            tokens: self.tokens_of(),
        };
        let bound = [
            ("state", &buffers.state),
            ("qkv", &buffers.inner),
            ("gates", &buffers.projected),
            ("dt_bias", self.weights.vector(plan.decay_bias)),
            ("decay", self.weights.vector(plan.decay)),
            ("memory", &buffers.layers[index].state[1]),
            ("y", &buffers.recurrent),
        ];
        program.push(Dispatch::new(self.gpu, &net.shader(), &bound, net.grid()).computing(Task::DeltaNet(net)));
        let norm = GatedNorm {
            heads: config.value_heads,
            head_dim: config.head_dim,
            gate_row_len: row_len,
            gate_at: config.gate_at(),
            gate_first: false,
            eps: self.config.norm_eps,
        };
        self.gated_norm(program, &norm, plan.norm);
        Ok(())
    }

    /// Norm and gates of a recurrent mixer's output, in place.
    fn gated_norm(&self, program: &mut Vec<Dispatch>, norm: &GatedNorm, weight: VectorId) {
        let buffers = self.buffers;
        let bound = [
            ("state", &buffers.state),
            ("gate", &buffers.projected),
            ("weight", self.weights.vector(weight)),
            ("y", &buffers.recurrent),
        ];
        program.push(Dispatch::new(self.gpu, &norm.shader(), &bound, norm.grid()).computing(Task::GatedNorm(*norm)));
    }

    fn state_space(
        &self,
        program: &mut Vec<Dispatch>,
        index: usize,
        config: &StateSpaceConfig,
        plan: &StateSpacePlan,
    ) -> Result<()> {
        let (buffers, row_len) = (self.buffers, config.projection_rows());
        self.project(program, index, &plan.input, row_len)?;
        let convolution = Convolution {
            channels: config.channels(),
            taps: config.taps,
            row_len,
            input_at: config.convolved_at(),
            gated: false,
            biased: true,
            one_token: self.layout.tokens != Tokens::Several,
            tokens: self.tokens_of(),
        };
        self.convolve(program, index, convolution, (plan.taps, Some(plan.taps_bias)), &buffers.inner);
        let StateSpaceConfig { heads, head_dim, groups, state_len, .. } = *config;
        let (steps_at, gated, tokens) = (config.steps_at(), plan.norm.is_none(), self.tokens_of());
        let space = StateSpace { heads, head_dim, groups, state_len, row_len, steps_at, gated, tokens };
        let bound = [
            ("state", &buffers.state),
            ("inputs", &buffers.inner),
            ("rows", &buffers.projected),
            ("step_bias", self.weights.vector(plan.step_bias)),
            ("decay", self.weights.vector(plan.decay)),
            ("skip", self.weights.vector(plan.skip)),
            ("memory", &buffers.layers[index].state[1]),
            ("y", &buffers.recurrent),
        ];
        program.push(Dispatch::new(self.gpu, &space.shader(), &bound, space.grid()).computing(Task::StateSpace(space)));
        let Some(weight) = plan.norm else { return Ok(()) };
        let norm = GatedNorm {
            heads: groups,
            head_dim: config.inner_len() / groups,
            gate_row_len: row_len,
            gate_at: 0,
            gate_first: true,
            eps: self.config.norm_eps,
        };
        self.gated_norm(program, &norm, weight);
        Ok(())
    }
}

/// Builds the attention of one layer.
pub(super) struct AttentionBuilder<'a> {
    pub forward: &'a ForwardBuilder<'a>,
    layer: &'a LayerPlan,
    pub plan: &'a AttentionPlan,
    pub config: &'a AttentionConfig,
    /// Keys and values.
    pub kv: &'a wgpu::Buffer,
    pub cache: CacheLayout,
}

impl<'a> AttentionBuilder<'a> {
    /// Computes attention. Returns the input of the output projection.
    fn build(&self, program: &mut Vec<Dispatch>) -> Result<Input<'a>> {
        if let Some(matrix) = self.own_projection() {
            program.push(self.projected_attention(matrix)?);
            return Ok(self.attended(self.projected_parts()));
        }
        let latent = self.config.latent.zip(self.plan.latent.as_ref());
        match latent {
            Some((config, plan)) => self.latent_queries_and_key(program, config, plan)?,
            None => self.qkv(program)?,
        }
        self.attend(program);
        if let Some((config, plan)) = latent {
            self.latent_values(program, config, plan)?;
        }
        if self.config.is_gated {
            let buffers = self.forward.buffers;
            let bound = [("state", &buffers.state), ("rows", &buffers.projected), ("y", &buffers.mixed)];
            let (heads, row_len) = (self.config.heads, self.config.qkv_rows());
            let (shader, grid) = attention_gate(&heads, row_len);
            let dispatch = Dispatch::new(self.forward.gpu, &shader, &bound, grid);
            program.push(dispatch.computing(Task::AttentionGate(heads, row_len)));
        }
        Ok(self.attended(self.splits()))
    }

    /// Number of workgroups that share the positions of a head.
    pub(super) fn splits(&self) -> u32 {
        self.forward.layout.splits.for_heads(self.config.heads.heads)
    }

    /// Number of parts of a head's result if attention multiplies its own query: the token's own key and value add one.
    fn projected_parts(&self) -> u32 {
        self.splits() + 1
    }

    pub(super) fn input(&self) -> Input<'_> {
        Input { bias: self.plan.qkv_bias, ..self.forward.normed_input(self.layer.mixer_norm) }
    }

    /// Computes queries, into the query buffer, and keys and values, if the layer has any, into the cache.
    fn qkv(&self, program: &mut Vec<Dispatch>) -> Result<()> {
        let (forward, buffers) = (self.forward, self.forward.buffers);
        let (heads, rows) = (self.config.rotated_heads(), self.config.qkv_rows());
        let cached = [("kv", self.kv), ("rope", self.rope())];
        let kind = forward.config.head_norm;
        debug_assert_eq!(kind != HeadNorm::None, self.plan.head_norms.is_some(), "the plan has norms if they are used");
        if !forward.config.has_head_dispatch(self.config) {
            let epilogue = Epilogue::Qkv { heads, cache: self.cache };
            let output = Output { epilogue, y: &buffers.inner, rows, extra: &cached };
            return forward.products().push(program, &self.plan.qkv, &self.input(), &output);
        }
        let output = Output { epilogue: Epilogue::STORE, y: &buffers.projected, rows, extra: &[] };
        forward.products().push(program, &self.plan.qkv, &self.input(), &output)?;
        let kernel = HeadNormKernel {
            kind,
            heads,
            centred: false,
            gated: self.config.is_gated,
            value_norm: forward.config.value_norm,
            queries_only: self.config.cache_of.is_some(),
            cache: self.cache,
            eps: forward.config.norm_eps,
        };
        let mut bound = vec![("state", &buffers.state), ("projected", &buffers.projected), ("y", &buffers.inner)];
        bound.extend(cached);
        if let Some((query_norm, key_norm)) = self.plan.head_norms {
            bound.push(("query_norm", forward.weights.vector(query_norm)));
            bound.extend(key_norm.map(|norm| ("key_norm", forward.weights.vector(norm))));
        }
        let dispatch = Dispatch::new(forward.gpu, &kernel.shader(), &bound, kernel.grid());
        program.push(dispatch.computing(Task::HeadNorm(kernel)));
        Ok(())
    }

    /// The matrix of query, key and value, if attention should multiply it itself.
    fn own_projection(&self) -> Option<&Matrix> {
        let (forward, heads) = (self.forward, &self.config.heads);
        let matrix = Some(forward.weights.matrix(*self.plan.qkv.first()?))
            .filter(|matrix| matrix.rows == self.config.qkv_rows())?;
        let head_weights = heads.head_dim * matrix.cols;
        let is_worth_it = forward.layout.tokens == Tokens::One
            && forward.gpu.tuning().projects(heads.heads, self.splits(), head_weights)
            && self.merged_parts(self.projected_parts()).is_some();
        let is_possible = can_project(heads, forward.config.cache)
            && !forward.config.has_head_dispatch(self.config)
            && forward.config.attention_temperature.is_none()
            // WebGPU's default limits have no binding left for both.
            && (self.plan.sinks.is_none() || self.plan.qkv_bias.is_none());
        (is_worth_it && is_possible).then_some(matrix)
    }

    /// Query, key and value of one token and its attention, in one dispatch that leaves partial results.
    fn projected_attention(&self, matrix: &Matrix) -> Result<Dispatch> {
        let (forward, attention) = (self.forward, self.attention(self.projected_parts()));
        let epilogue = Epilogue::Qkv { heads: attention.heads, cache: self.cache };
        let mut extra = vec![("kv", self.kv), ("rope", self.rope())];
        extra.extend(self.sinks());
        let output = Output { epilogue, y: &forward.buffers.splits, rows: matrix.rows, extra: &extra };
        let place = |linear: &Linear| Some((attention.projected_shader(linear)?, attention.projected_grid()));
        Ok(forward.products().within(matrix, &self.input(), &output, place)?.within(attention))
    }

    fn attention(&self, splits: u32) -> Attention {
        let config = self.forward.config;
        Attention {
            heads: self.config.rotated_heads(),
            cache: self.cache,
            scale: config.attention_scale,
            temperature: config.attention_temperature,
            softcap: config.attention_softcap,
            window: self.config.window,
            bidirectional: self.forward.layout.two_way || config.two_way,
            ahead: config.ahead(self.config),
            alibi: false,
            sinks: self.plan.sinks.is_some(),
            layout: self.layout(),
            splits,
            workgroup: self.forward.gpu.tuning().attention_workgroup,
            halves: false,
        }
    }

    fn attend(&self, program: &mut Vec<Dispatch>) {
        let (gpu, buffers, attention) = (self.forward.gpu, self.forward.buffers, self.attention(self.splits()));
        debug_assert!(attention.splits <= gpu.tuning().max_splits(), "the buffer has room for them");
        let is_split = attention.splits > 1;
        let attended = if self.config.latent.is_some() { &buffers.projected } else { &buffers.mixed };
        let result = if is_split { &buffers.splits } else { attended };
        let mut bound = vec![("state", &buffers.state), ("q", &buffers.inner), ("kv", self.kv), ("y", result)];
        bound.extend(self.sinks());
        let [grid, merge_grid] = attention.grids();
        program.push(Dispatch::new(gpu, &attention.shader(), &bound, grid).computing(Task::Attention(attention)));
        if is_split && self.merged_parts(attention.splits).is_none() {
            let bound = [("state", &buffers.state), ("parts", &buffers.splits), ("y", attended)];
            program.push(Dispatch::new(gpu, &attention.merge_shader(), &bound, merge_grid));
        }
    }

    fn layout(&self) -> AttentionLayout {
        let forward = self.forward;
        // Matrix units read the cache as it is stored.
        let has_units =
            forward.gpu.tuning().prefill_large.tiles == Tiles::Cooperative && forward.config.cache == CacheFormat::F16;
        // A token, or so few that they have products like single tokens.
        if forward.layout.linear.tokens == 1 || forward.layout.linear.has_lanes() {
            AttentionLayout::Token
        } else if has_units && has_cooperative_layout(&self.config.heads) && forward.layout.tokens != Tokens::OneOfEach
        {
            AttentionLayout::Cooperative
        } else {
            AttentionLayout::Batch
        }
    }

    /// The partial results of `splits` workgroups per head, if the product that follows should merge them: the output
    /// projection, or with latent attention the expansion of each head.
    pub(super) fn merged_parts(&self, splits: u32) -> Option<MergedParts> {
        let value_dim = self.config.heads.value_dim;
        let len = if self.config.latent.is_some() { value_dim } else { self.config.output_len() };
        let is_merged = splits > 1
            && !self.config.is_gated
            && self.forward.layout.linear.has_lanes()
            && splits * len <= MAX_MERGED_LEN;
        is_merged.then_some(MergedParts { splits, value_dim })
    }

    /// The output of attention, in `splits` parts if the output projection should merge them.
    fn attended(&self, splits: u32) -> Input<'a> {
        let buffers = self.forward.buffers;
        // What latent attention attends to was merged when it was expanded.
        let merge = self.merged_parts(splits).filter(|_| self.config.latent.is_none());
        let mixed = if merge.is_some() { &buffers.splits } else { &buffers.mixed };
        Input { bias: self.plan.output_bias, merge, ..Input::new(mixed) }
    }

    /// The buffer of the layer's attention sinks, if it has any, with the name of the kernels' variable.
    fn sinks(&self) -> Option<(&'static str, &wgpu::Buffer)> {
        self.plan.sinks.map(|sinks| ("sinks", self.forward.weights.vector(sinks)))
    }

    /// The layer's RoPE angles.
    pub(super) fn rope(&self) -> &wgpu::Buffer {
        let buffers = self.forward.buffers;
        if self.config.rope == LayerRope::Window { &buffers.window_rope } else { &buffers.rope }
    }
}

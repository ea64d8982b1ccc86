//! The forward pass: five dispatches a layer in most families, between the embedding and the output head.

use super::buffers::Buffers;
use super::gpu::Gpu;
use super::product::{Input, Output, ProductBuilder};
use super::program::{Binding, Dispatch, Grid, Task};
use super::weights::{Matrix, Weights};
use crate::error::Result;
use crate::kernels::attention::{Attention, AttentionLayout, can_project, has_cooperative_layout};
use crate::kernels::experts::{expert_sum, route};
use crate::kernels::linear::{Epilogue, ExpertRows, Linear, LinearTuning, MAX_MERGED_LEN, MergedParts, Tiles};
use crate::kernels::norm::{add_norm, head_norm};
use crate::kernels::sampling::{chunk_count, logit_scan, sample};
use crate::models::{
    CacheFormat, ExpertConfig, FeedForwardPlan, GateUpPlan, HeadNorm, HeadShape, LayerConfig, LayerPlan, LayerRope,
    MatrixId, ModelConfig, ModelPlan, Product, VectorId,
};

/// How a program is laid out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Matrix products.
    pub linear: LinearTuning,
    /// Workgroups that share the positions of an attention head.
    pub splits: u32,
    /// A batch has one token always.
    pub is_one_token: bool,
}

impl Layout {
    /// For several tokens.
    pub(super) fn batch(linear: LinearTuning) -> Self {
        Self { linear, splits: 1, is_one_token: false }
    }

    /// Parts of a head's result where attention multiplies its query: the token's own key and value are one.
    fn projected_parts(&self) -> u32 {
        self.splits + 1
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
    /// From token ids in `ids` to the hidden state after the last layer.
    pub(super) fn layers(&self, ids: &wgpu::Buffer) -> Result<Vec<Dispatch>> {
        let mut program = self.embed(ids)?;
        for (index, plan) in self.plan.layers.iter().enumerate() {
            let (config, kv) = (self.config.layers[index], &self.buffers.kv[index]);
            if let Some(matrix) = self.attention_projection(plan) {
                program.push(self.projected_attention(plan, config, kv, matrix)?);
                self.attention_output(&mut program, plan, self.layout.projected_parts())?;
            } else {
                self.qkv(&mut program, plan, config, kv)?;
                self.attend(&mut program, config, kv);
                self.attention_output(&mut program, plan, self.layout.splits)?;
            }
            let norm = plan.feed_forward_norm;
            match &plan.feed_forward {
                FeedForwardPlan::Dense { gate_up, down } => self.dense(&mut program, plan, norm, gate_up, down)?,
                FeedForwardPlan::Experts { experts, router, gate, up, down } => {
                    self.experts(&mut program, norm, *experts, router, [*gate, *up, *down])?;
                }
            }
        }
        Ok(program)
    }

    /// From token ids in `ids` to logits.
    pub(super) fn whole(&self, ids: &wgpu::Buffer) -> Result<Vec<Dispatch>> {
        let mut program = self.layers(ids)?;
        program.extend(self.head()?);
        Ok(program)
    }

    /// From the hidden state to logits.
    pub(super) fn head(&self) -> Result<Vec<Dispatch>> {
        let config = self.config;
        let epilogue = Epilogue::Store { scale: config.logit_scale, softcap: config.logit_softcap };
        let output = Output { epilogue, y: &self.buffers.logits, rows: config.vocab, extra: &[] };
        let norm = Some(self.plan.output_norm);
        let mut program = Vec::new();
        self.products().push(
            &mut program,
            &self.plan.output,
            &Input { norm, ..Input::new(&self.buffers.hidden) },
            &output,
        )?;
        Ok(program)
    }

    /// From logits to the next token.
    pub(super) fn sampler(&self) -> [Dispatch; 2] {
        let (buffers, vocab) = (self.buffers, self.config.vocab);
        let scan = [
            (0, Binding::Uniform(&buffers.sampling)),
            (1, Binding::Write(&buffers.logits)),
            (2, Binding::Read(&buffers.history)),
            (3, Binding::Write(&buffers.candidates)),
            (4, Binding::Read(&buffers.allowed)),
            (5, Binding::Read(&buffers.bias)),
            (6, Binding::Uniform(&buffers.state)),
        ];
        let choose = [
            (0, Binding::Uniform(&buffers.sampling)),
            (1, Binding::Read(&buffers.logits)),
            (2, Binding::Read(&buffers.candidates)),
            (3, Binding::Write(&buffers.state)),
            (4, Binding::Write(&buffers.next_id)),
            (5, Binding::Write(&buffers.ring)),
            (6, Binding::Write(&buffers.history)),
        ];
        [
            Dispatch::new(self.gpu, &logit_scan(vocab), &scan, Grid::Fixed([chunk_count(vocab), 1, 1])),
            Dispatch::new(self.gpu, &sample(vocab), &choose, Grid::Fixed([1, 1, 1])),
        ]
    }

    fn embed(&self, ids: &wgpu::Buffer) -> Result<Vec<Dispatch>> {
        let (table, scale) = (&self.plan.embedding, self.config.embedding_scale);
        let mut program = Vec::new();
        self.products().embed(&mut program, table, ids, &self.buffers.hidden, scale, false)?;
        Ok(program)
    }

    /// Queries, keys and values: to the query buffer and the cache.
    fn qkv(&self, program: &mut Vec<Dispatch>, plan: &LayerPlan, layer: LayerConfig, kv: &wgpu::Buffer) -> Result<()> {
        let buffers = self.buffers;
        let (heads, value_offset) = (self.layer_heads(layer), buffers.value_offset);
        let rope = self.rope(layer);
        let input = Input { norm: plan.attention_norm, bias: plan.qkv_bias, ..Input::new(&buffers.hidden) };
        let rows = self.config.qkv_rows();
        let cache = [(6, Binding::Write(kv)), (7, Binding::Read(rope))];
        let (kind, format) = (self.config.head_norm, self.config.cache);
        debug_assert_eq!(kind != HeadNorm::None, plan.head_norms.is_some(), "the plan has the norms");
        if !self.config.has_head_dispatch() {
            let epilogue = Epilogue::Qkv { heads, value_offset };
            let output = Output { epilogue, y: &buffers.query, rows, extra: &cache };
            return self.products().push(program, &plan.qkv, &input, &output);
        }
        let output = Output { epilogue: Epilogue::STORE, y: &buffers.projected, rows, extra: &[] };
        self.products().push(program, &plan.qkv, &input, &output)?;
        let shader = head_norm(kind, &heads, format, value_offset, self.config.norm_eps);
        let mut bindings = vec![
            (0, Binding::Uniform(&buffers.state)),
            (1, Binding::Read(&buffers.projected)),
            (5, Binding::Write(&buffers.query)),
        ];
        bindings.extend(cache);
        if let Some((query_norm, key_norm)) = plan.head_norms {
            bindings.push((2, Binding::Read(self.weights.vector(query_norm))));
            bindings.push((3, Binding::Read(self.weights.vector(key_norm))));
        }
        let grid = Grid::TokensInY { x: heads.heads + 2 * heads.kv_heads, z: 1 };
        program.push(Dispatch::new(self.gpu, &shader, &bindings, grid));
        Ok(())
    }

    /// The matrix of query, key and value, if attention is to multiply it by itself.
    fn attention_projection(&self, plan: &LayerPlan) -> Option<&Matrix> {
        let matrix =
            Some(self.weights.matrix(*plan.qkv.first()?)).filter(|matrix| matrix.rows == self.config.qkv_rows())?;
        let head_weights = self.config.heads.head_dim * matrix.cols;
        let splits = self.layout.splits;
        let is_worth_it = self.layout.is_one_token
            && self.gpu.tuning().projects(self.config.heads.heads, splits, head_weights)
            && self.merged_parts(self.layout.projected_parts()).is_some();
        let is_possible = can_project(&self.config.heads, self.config.cache) && !self.config.has_head_dispatch();
        (is_worth_it && is_possible).then_some(matrix)
    }

    /// Query, key and value of one token, and its attention, as parts.
    fn projected_attention(
        &self,
        plan: &LayerPlan,
        layer: LayerConfig,
        kv: &wgpu::Buffer,
        matrix: &Matrix,
    ) -> Result<Dispatch> {
        let (buffers, attention) = (self.buffers, self.attention(layer, self.layout.projected_parts()));
        let epilogue = Epilogue::Qkv { heads: attention.heads, value_offset: buffers.value_offset };
        let input = Input { norm: plan.attention_norm, bias: plan.qkv_bias, ..Input::new(&buffers.hidden) };
        let extra = [(6, Binding::Write(kv)), (7, Binding::Read(self.rope(layer)))];
        let output = Output { epilogue, y: &buffers.splits, rows: matrix.rows, extra: &extra };
        let place = |linear: &Linear| Some((attention.projected_shader(linear)?, attention.projected_grid()));
        Ok(self.products().within(matrix, &input, &output, place)?.within(attention))
    }

    fn attention(&self, layer: LayerConfig, splits: u32) -> Attention {
        Attention {
            heads: self.layer_heads(layer),
            cache: self.config.cache,
            value_offset: self.buffers.value_offset,
            scale: self.config.attention_scale,
            softcap: self.config.attention_softcap,
            window: layer.window,
            bidirectional: false,
            layout: self.attention_layout(),
            splits,
            workgroup: self.gpu.tuning().attention_workgroup,
        }
    }

    fn attend(&self, program: &mut Vec<Dispatch>, layer: LayerConfig, kv: &wgpu::Buffer) {
        let buffers = self.buffers;
        let attention = self.attention(layer, self.layout.splits);
        debug_assert!(attention.splits <= self.gpu.tuning().max_splits(), "the buffer has room for so many");
        let is_split = attention.splits > 1;
        let result = if is_split { &buffers.splits } else { &buffers.attended };
        let bindings = [
            (0, Binding::Uniform(&buffers.state)),
            (1, Binding::Read(&buffers.query)),
            (2, Binding::Read(kv)),
            (3, Binding::Write(result)),
        ];
        let [grid, merge_grid] = attention.grids();
        program
            .push(Dispatch::new(self.gpu, &attention.shader(), &bindings, grid).computing(Task::Attention(attention)));
        if is_split && self.merged_parts(attention.splits).is_none() {
            let bindings = [
                (0, Binding::Uniform(&buffers.state)),
                (1, Binding::Read(&buffers.splits)),
                (2, Binding::Write(&buffers.attended)),
            ];
            program.push(Dispatch::new(self.gpu, &attention.merge_shader(), &bindings, merge_grid));
        }
    }

    fn attention_layout(&self) -> AttentionLayout {
        // Its matrices are read as they are kept.
        let has_units =
            self.gpu.tuning().prefill_large.tiles == Tiles::Cooperative && self.config.cache == CacheFormat::F16;
        if self.layout.linear.tokens == 1 {
            AttentionLayout::Token
        } else if has_units && has_cooperative_layout(&self.config.heads) {
            AttentionLayout::Cooperative
        } else {
            AttentionLayout::Batch
        }
    }

    /// The parts that `splits` workgroups leave of a head's attention, if the output projection is to put them together.
    fn merged_parts(&self, splits: u32) -> Option<MergedParts> {
        let is_merged =
            splits > 1 && self.layout.linear.has_lanes() && splits * self.config.attention_len() <= MAX_MERGED_LEN;
        is_merged.then_some(MergedParts { splits, head_dim: self.config.heads.head_dim })
    }

    fn attention_output(&self, program: &mut Vec<Dispatch>, plan: &LayerPlan, splits: u32) -> Result<()> {
        let merge = self.merged_parts(splits);
        let attended = if merge.is_some() { &self.buffers.splits } else { &self.buffers.attended };
        let input = Input { bias: plan.attention_output_bias, merge, ..Input::new(attended) };
        self.add_to_hidden(program, &plan.attention_output, &input, plan.attention_post_norm)
    }

    fn dense(
        &self,
        program: &mut Vec<Dispatch>,
        plan: &LayerPlan,
        norm: Option<VectorId>,
        gate_up: &GateUpPlan,
        down: &Product,
    ) -> Result<()> {
        let (activation, activated) = (self.config.activation, &self.buffers.activated);
        let input = Input { norm, ..Input::new(&self.buffers.hidden) };
        let output = |epilogue| Output { epilogue, y: activated, rows: self.config.feed_forward_len, extra: &[] };
        match gate_up {
            GateUpPlan::Paired(product) => {
                self.products().push(program, product, &input, &output(Epilogue::Gated(activation)))?;
            }
            GateUpPlan::Apart { gate, up } => {
                self.products().push(program, gate, &input, &output(Epilogue::STORE))?;
                self.products().push(program, up, &input, &output(Epilogue::Gate(activation)))?;
            }
        }
        self.add_to_hidden(program, down, &Input::new(activated), plan.feed_forward_post_norm)
    }

    /// The mixture of experts; `matrices` are gate, up and down.
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
        let bindings = [
            (0, Binding::Uniform(&buffers.state)),
            (1, Binding::Read(&buffers.router)),
            (2, Binding::Write(&buffers.experts)),
            (3, Binding::Write(&buffers.expert_weights)),
        ];
        program.push(Dispatch::new(self.gpu, &route(&experts), &bindings, Grid::TokensInX));

        let rows = |rows, shares_input| Some(ExpertRows { rows, used: experts.used, shares_input });
        let chosen = [(9, Binding::Read(&buffers.experts))];
        let input = Input { experts: rows(hidden, true), ..input };
        let [gate, up, down] = matrices.map(|id| vec![id]);
        for (matrix, epilogue) in [(gate, Epilogue::STORE), (up, Epilogue::Gate(self.config.activation))] {
            let output = Output { epilogue, y: &buffers.activated, rows: hidden, extra: &chosen };
            self.products().push(program, &matrix, &input, &output)?;
        }
        let input = Input { experts: rows(width, false), ..Input::new(&buffers.activated) };
        let output = Output { epilogue: Epilogue::STORE, y: &buffers.output, rows: width, extra: &chosen };
        self.products().push(program, &down, &input, &output)?;
        let bindings = [
            (0, Binding::Uniform(&buffers.state)),
            (1, Binding::Read(&buffers.output)),
            (2, Binding::Read(&buffers.expert_weights)),
            (3, Binding::Write(&buffers.hidden)),
        ];
        let (shader, grid) = expert_sum(&experts, width, self.config.residual_scale);
        program.push(Dispatch::new(self.gpu, &shader, &bindings, grid));
        Ok(())
    }

    /// Adds a product to the hidden state, after a norm if there is one.
    fn add_to_hidden(
        &self,
        program: &mut Vec<Dispatch>,
        product: &Product,
        input: &Input<'_>,
        post_norm: Option<VectorId>,
    ) -> Result<()> {
        let (buffers, rows, scale) = (self.buffers, self.config.embedding_len, self.config.residual_scale);
        let Some(post_norm) = post_norm else {
            let output = Output { epilogue: Epilogue::AddTo { scale }, y: &buffers.hidden, rows, extra: &[] };
            return self.products().push(program, product, input, &output);
        };
        let output = Output { epilogue: Epilogue::STORE, y: &buffers.output, rows, extra: &[] };
        self.products().push(program, product, input, &output)?;
        let bindings = [
            (0, Binding::Uniform(&buffers.state)),
            (1, Binding::Read(&buffers.output)),
            (2, Binding::Read(self.weights.vector(post_norm))),
            (3, Binding::Write(&buffers.hidden)),
        ];
        let shader = add_norm(rows, self.config.norm_eps, scale);
        program.push(Dispatch::new(self.gpu, &shader, &bindings, Grid::TokensInX));
        Ok(())
    }

    fn products(&self) -> ProductBuilder<'_> {
        ProductBuilder {
            gpu: self.gpu,
            weights: self.weights,
            state: &self.buffers.state,
            norm_eps: self.config.norm_eps,
            tuning: self.layout.linear,
            prepared: Some(&self.buffers.prepared),
        }
    }

    /// The angles that a layer turns queries and keys by.
    fn rope(&self, layer: LayerConfig) -> &wgpu::Buffer {
        if layer.rope == LayerRope::Window { &self.buffers.window_rope } else { &self.buffers.rope }
    }

    /// The heads as a layer has them.
    fn layer_heads(&self, layer: LayerConfig) -> HeadShape {
        let heads = self.config.heads;
        match layer.rope {
            LayerRope::None => HeadShape { rope_dim: 0, ..heads },
            LayerRope::Main | LayerRope::Window => heads,
        }
    }
}

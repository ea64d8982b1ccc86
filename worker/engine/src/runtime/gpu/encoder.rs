//! The GPU implementation of [`Embedder`].

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;

use super::buffers::State;
use super::experts::ExpertBuffers;
use super::product::{Input, Output, ProductBuilder};
use super::self_test;
use super::weights::Weights;
use crate::error::Result;
use crate::kernels::attention::{Attention, AttentionLayout};
use crate::kernels::experts::{ExpertSum, Router};
use crate::kernels::linear::{Epilogue, ExpertRows};
use crate::kernels::norm::{HeadNormKernel, LayerNorm};
use crate::kernels::{CacheLayout, Grid};
use crate::models::{
    CacheFormat, EncoderConfig, EncoderFeedForward, EncoderLayerPlan, EncoderPlan, ExpertConfig, HeadNorm, MatrixId,
    NormPlan, PositionKind, Product,
};
use crate::runtime::backend::Embedder;
use crate::runtime::device::{Dispatch, Gpu, Task};

/// Dispatches and buffers of an embedding model.
pub(in crate::runtime) struct GpuEncoder {
    gpu: Gpu,
    embedding_len: u32,
    buffers: Buffers,
    program: Vec<Dispatch>,
    /// Keeps the buffers alive that the dispatches' bind groups use in a browser.
    _weights: Arc<Weights>,
}

/// Activations.
struct Buffers {
    state: wgpu::Buffer,
    /// `[context]`
    ids: wgpu::Buffer,
    /// 0, 1, 2 and so on: `[context]`
    positions: wgpu::Buffer,
    /// Token types, always the first: `[context]`
    types: wgpu::Buffer,
    /// `[context][embedding_len]`
    hidden: wgpu::Buffer,
    /// The input of a part after its norm, or the output of attention before its norms: `[context][embedding_len]`
    normed: wgpu::Buffer,
    /// Queries, keys and values before their norms: `[context][3][embedding_len]`
    projected: wgpu::Buffer,
    /// `[context][embedding_len]`
    query: wgpu::Buffer,
    /// Keys, then values: `[context][embedding_len]` each
    kv: wgpu::Buffer,
    /// `[context][embedding_len]`
    attended: wgpu::Buffer,
    /// `[context][slots][feed_forward_len]`
    activated: wgpu::Buffer,
    /// RoPE angles of layers without and with a window: `[context][rope_dim / 2]`
    rope: [wgpu::Buffer; 2],
    experts: ExpertBuffers,
}

impl Buffers {
    fn new(gpu: &Gpu, config: &EncoderConfig, plan: &EncoderPlan) -> Self {
        // Kernels read whole groups of tokens.
        let context = config.context.next_multiple_of(gpu.tuning().prefill.tokens);
        let floats = |label, len: u32| gpu.storage_buffer(label, u64::from(context) * u64::from(len) * 4);
        let positions: Vec<u32> = (0..context).collect();
        let width = config.embedding_len;
        let has_head_norms = plan.layers.iter().any(|layer| layer.head_norms.is_some());
        let has_normed = config.pre_norm || plan.layers.iter().any(|layer| layer.second_norm.is_some());
        let (count, used) = config.experts.map_or((0, 0), |(experts, _)| (experts.count, experts.used));
        let rope = config.angles(context).map(|angles| {
            let angles = if angles.is_empty() { vec![[1.0, 0.0]] } else { angles };
            gpu.storage_buffer_with("rope", &angles)
        });
        Self {
            state: gpu.buffer("state", 16, wgpu::BufferUsages::UNIFORM),
            ids: floats("ids", 1),
            positions: gpu.storage_buffer_with("positions", &positions),
            types: gpu.storage_buffer_with("types", &vec![0u32; context as usize]),
            hidden: floats("hidden", width),
            normed: floats("normed", if has_normed { width } else { 0 }),
            projected: floats("projected", if has_head_norms { 3 * width } else { 0 }),
            query: floats("query", width),
            kv: floats("keys and values", 2 * width),
            attended: floats("attended", width),
            activated: floats("activated", config.slots() * config.feed_forward_len),
            rope,
            experts: ExpertBuffers {
                scores: floats("router", count),
                chosen: floats("experts", used),
                weights: floats("expert weights", used),
                outputs: floats("expert outputs", used * width),
            },
        }
    }

    /// Keys and values of a text in `kv`.
    fn cache(&self) -> CacheLayout {
        CacheLayout { format: CacheFormat::F32, ..CacheLayout::f16((self.kv.size() / 8) as u32) }
    }
}

impl GpuEncoder {
    /// Allocates the buffers and builds the dispatches.
    ///
    /// # Errors
    /// [`EngineError::UnsupportedFormat`](crate::EngineError::UnsupportedFormat) for a format without kernels.
    pub(in crate::runtime) fn new(
        gpu: &Gpu,
        config: &EncoderConfig,
        plan: &EncoderPlan,
        weights: Arc<Weights>,
    ) -> Result<Self> {
        let buffers = Buffers::new(gpu, config, plan);
        let program = Builder { gpu, config, weights: &weights, buffers: &buffers }.build(plan)?;
        Ok(Self { gpu: gpu.clone(), embedding_len: config.embedding_len, buffers, program, _weights: weights })
    }

    /// Submits a text. Its hidden states are copied to these bytes of `staging`.
    fn submit(&self, ids: &[u32], staging: &wgpu::Buffer, bytes: Range<u64>) -> wgpu::SubmissionIndex {
        let state = State { position: 0, token_count: ids.len() as u32, step: 0, row: 0 };
        let queue = self.gpu.queue();
        queue.write_buffer(&self.buffers.state, 0, bytemuck::bytes_of(&state));
        queue.write_buffer(&self.buffers.ids, 0, bytemuck::cast_slice(ids));
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        self.program.iter().for_each(|dispatch| dispatch.encode(&mut pass, state.token_count));
        drop(pass);
        encoder.copy_buffer_to_buffer(&self.buffers.hidden, 0, staging, bytes.start, bytes.end - bytes.start);
        queue.submit([encoder.finish()])
    }
}

#[async_trait(?Send)]
impl Embedder for GpuEncoder {
    /// A submission per text, but one read-back for all: the GPU need not wait for the host in between.
    async fn hidden(&mut self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let floats_of = |ids: &[u32]| ids.len() * self.embedding_len as usize;
        let len_bytes: u64 = texts.iter().map(|ids| floats_of(ids) as u64 * 4).sum();
        let staging = self.gpu.staging_buffer(len_bytes);
        let (mut start, mut submission) = (0, None);
        for ids in texts {
            let len_bytes = floats_of(ids) as u64 * 4;
            submission = Some(self.submit(ids, &staging, start..start + len_bytes));
            start += len_bytes;
        }
        let Some(submission) = submission else { return Ok(Vec::new()) };
        let (all, _) = self.gpu.read(staging, len_bytes, submission).finish::<f32>(&self.gpu).await?;
        let mut rest = all.as_slice();
        let split = texts.iter().map(|ids| rest.split_off(..floats_of(ids)).unwrap_or_default().to_vec());
        Ok(split.collect())
    }

    fn kernels_id(&self) -> Result<u64> {
        Ok(self_test::kernels_id(self.program.iter()))
    }

    async fn wrong_kernels(&self) -> Result<Vec<String>> {
        self.gpu.compile().await;
        self_test::wrong_kernels(&self.gpu, &self.buffers.kv, self.program.iter(), None).await
    }
}

/// What a norm normalises, and where the result goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The hidden state, in place.
    Hidden,
    /// The hidden state, into the `normed` buffer.
    Apart,
    /// The sum of both, into the `normed` buffer.
    WithHidden,
    /// The sum of both, into the hidden state.
    WithNormed,
}

/// Builds the dispatches.
struct Builder<'a> {
    gpu: &'a Gpu,
    config: &'a EncoderConfig,
    weights: &'a Weights,
    buffers: &'a Buffers,
}

impl Builder<'_> {
    fn build(&self, plan: &EncoderPlan) -> Result<Vec<Dispatch>> {
        let (products, buffers) = (self.products(), self.buffers);
        let mut program = Vec::new();
        products.embed(&mut program, &plan.embedding, &buffers.ids, &buffers.hidden, 1.0, false)?;
        let added = [(&plan.positions, &buffers.positions), (&plan.types, &buffers.types)];
        for (table, ids) in added {
            if let Some(table) = table {
                products.embed(&mut program, table, ids, &buffers.hidden, 1.0, true)?;
            }
        }
        program.push(self.norm(plan.embedding_norm, Place::Hidden));
        for (index, layer) in (0..).zip(&plan.layers) {
            self.attention(&mut program, index, layer)?;
            self.feed_forward(&mut program, layer)?;
        }
        program.extend(plan.output_norm.map(|norm| self.norm(norm, Place::Hidden)));
        Ok(program)
    }

    fn attention(&self, program: &mut Vec<Dispatch>, index: u32, layer: &EncoderLayerPlan) -> Result<()> {
        let (buffers, heads) = (self.buffers, self.config.heads);
        let window = self.config.window_of(index);
        let x = self.before(program, layer.attention_norm);
        self.qkv(program, layer, x, &buffers.rope[usize::from(window.is_some())])?;
        let attention = Attention {
            heads,
            cache: buffers.cache(),
            scale: (heads.head_dim as f32).sqrt().recip(),
            temperature: None,
            softcap: None,
            window: window.map(|window| window.reach + 1),
            bidirectional: true,
            ahead: window.map(|window| window.reach),
            alibi: self.config.positions == PositionKind::Alibi,
            sinks: false,
            layout: AttentionLayout::Batch,
            splits: 1,
            workgroup: self.gpu.tuning().attention_workgroup,
            halves: false,
        };
        let bound = [("state", &buffers.state), ("q", &buffers.query), ("kv", &buffers.kv), ("y", &buffers.attended)];
        let dispatch = Dispatch::new(self.gpu, &attention.shader(), &bound, attention.grids()[0]);
        program.push(dispatch.computing(Task::Attention(attention)));
        let input = Input { bias: layer.attention_output_bias, ..Input::new(&buffers.attended) };
        match (layer.attention_norm, layer.second_norm) {
            (Some(first), Some(second)) => {
                // The hidden state is needed twice.
                let output = Output { epilogue: Epilogue::STORE, y: &buffers.normed, ..self.add_to_hidden() };
                self.products().push(program, &layer.attention_output, &input, &output)?;
                program.push(self.norm(first, Place::WithHidden));
                program.push(self.norm(second, Place::WithNormed));
            }
            (norm, _) => {
                self.products().push(program, &layer.attention_output, &input, &self.add_to_hidden())?;
                program.extend(self.after(norm));
            }
        }
        Ok(())
    }

    /// Queries, keys and values of `x`.
    fn qkv(
        &self,
        program: &mut Vec<Dispatch>,
        layer: &EncoderLayerPlan,
        x: &wgpu::Buffer,
        rope: &wgpu::Buffer,
    ) -> Result<()> {
        let (buffers, heads, rows) = (self.buffers, self.config.heads, 3 * self.config.embedding_len);
        let cache = buffers.cache();
        let input = Input { bias: layer.qkv_bias, ..Input::new(x) };
        let extra = [("kv", &buffers.kv), ("rope", rope)];
        let Some([query_norm, key_norm]) = layer.head_norms else {
            let epilogue = Epilogue::Qkv { heads, cache };
            let output = Output { epilogue, y: &buffers.query, rows, extra: &extra };
            return self.products().push(program, &layer.qkv, &input, &output);
        };
        let output = Output { epilogue: Epilogue::STORE, y: &buffers.projected, rows, extra: &[] };
        self.products().push(program, &layer.qkv, &input, &output)?;
        let kernel = HeadNormKernel {
            kind: HeadNorm::Row,
            heads,
            centred: true,
            gated: false,
            value_norm: false,
            queries_only: false,
            cache,
            eps: self.config.norm_eps,
        };
        let vector = |id| self.weights.vector(id);
        let bound = [
            ("state", &buffers.state),
            ("projected", &buffers.projected),
            ("query_norm", vector(query_norm.0)),
            ("query_bias", vector(query_norm.1)),
            ("key_norm", vector(key_norm.0)),
            ("key_bias", vector(key_norm.1)),
            ("y", &buffers.query),
            extra[0],
            extra[1],
        ];
        let dispatch = Dispatch::new(self.gpu, &kernel.shader(), &bound, kernel.grid());
        program.push(dispatch.computing(Task::HeadNorm(kernel)));
        Ok(())
    }

    fn feed_forward(&self, program: &mut Vec<Dispatch>, layer: &EncoderLayerPlan) -> Result<()> {
        let x = self.before(program, Some(layer.feed_forward_norm));
        match &layer.feed_forward {
            EncoderFeedForward::Dense { gate_up, down, down_bias } => {
                let activated = (&self.buffers.activated, self.config.feed_forward_len);
                self.products().gate_up(program, gate_up, &Input::new(x), self.config.activation, activated)?;
                let input = Input { bias: *down_bias, ..Input::new(&self.buffers.activated) };
                self.products().push(program, down, &input, &self.add_to_hidden())?;
            }
            EncoderFeedForward::Experts { config, router, up, down } => {
                self.choose_experts(program, *config, router, x)?;
                self.experts(program, config, [*up, *down], x)?;
            }
        }
        program.extend(self.after(Some(layer.feed_forward_norm)));
        Ok(())
    }

    /// Each token's experts and their weights.
    fn choose_experts(
        &self,
        program: &mut Vec<Dispatch>,
        experts: ExpertConfig,
        router: &Product,
        x: &wgpu::Buffer,
    ) -> Result<()> {
        let (buffers, products) = (&self.buffers.experts, self.products());
        let scores = Output { epilogue: Epilogue::STORE, y: &buffers.scores, rows: experts.count, extra: &[] };
        products.push(program, router, &Input::new(x), &scores)?;
        let router = Router { experts, is_biased: false, is_gated: false, is_scaled: false };
        program.push(buffers.choose(&products, router, [None; 2]));
        Ok(())
    }

    /// Adds the experts' outputs to the hidden state.
    fn experts(
        &self,
        program: &mut Vec<Dispatch>,
        experts: &ExpertConfig,
        [up, down]: [MatrixId; 2],
        x: &wgpu::Buffer,
    ) -> Result<()> {
        let (buffers, width) = (self.buffers, self.config.embedding_len);
        let chosen = [("experts", &buffers.experts.chosen)];
        let rows_of = |rows, shares_input| Some(ExpertRows { rows, used: experts.used, shares_input });
        let rows = experts.feed_forward_len;
        let input = Input { experts: rows_of(rows, true), ..Input::new(x) };
        let epilogue = Epilogue::Activate(self.config.activation);
        let output = Output { epilogue, y: &buffers.activated, rows, extra: &chosen };
        self.products().push(program, &[up], &input, &output)?;
        let input = Input { experts: rows_of(width, false), ..Input::new(&buffers.activated) };
        let output = Output { epilogue: Epilogue::STORE, y: &buffers.experts.outputs, rows: width, extra: &chosen };
        self.products().push(program, &[down], &input, &output)?;
        let sum = ExpertSum { experts: *experts, len: width, scale: 1.0, replaces: false };
        program.push(buffers.experts.sum(&self.products(), sum, None, &buffers.hidden));
        Ok(())
    }

    fn add_to_hidden(&self) -> Output<'_> {
        Output { epilogue: Epilogue::ADD, y: &self.buffers.hidden, rows: self.config.embedding_len, extra: &[] }
    }

    /// The input of a part: normalised in families with norms before parts.
    fn before(&self, program: &mut Vec<Dispatch>, norm: Option<NormPlan>) -> &wgpu::Buffer {
        let Some(norm) = norm.filter(|_| self.config.pre_norm) else { return &self.buffers.hidden };
        program.push(self.norm(norm, Place::Apart));
        &self.buffers.normed
    }

    /// The norm after a part, in families that have it there.
    fn after(&self, norm: Option<NormPlan>) -> Option<Dispatch> {
        norm.filter(|_| !self.config.pre_norm).map(|norm| self.norm(norm, Place::Hidden))
    }

    /// A layer norm.
    fn norm(&self, (weight, bias): NormPlan, place: Place) -> Dispatch {
        let Buffers { state, hidden, normed, .. } = self.buffers;
        let mut bound = vec![("state", state), ("norm_weight", self.weights.vector(weight))];
        bound.extend(bias.map(|bias| ("norm_bias", self.weights.vector(bias))));
        bound.extend(match place {
            Place::Hidden => vec![("x", hidden)],
            Place::Apart => vec![("x", hidden), ("y", normed)],
            Place::WithHidden => vec![("x", normed), ("residual", hidden)],
            Place::WithNormed => vec![("x", hidden), ("residual", normed)],
        });
        let norm = LayerNorm {
            len: self.config.embedding_len,
            rms: false,
            bias: bias.is_some(),
            residual: matches!(place, Place::WithHidden | Place::WithNormed),
            in_place: place != Place::Apart,
            halves: false,
            eps: self.config.norm_eps,
        };
        Dispatch::new(self.gpu, &norm.shader(), &bound, Grid::TokensInX).computing(Task::LayerNorm(norm))
    }

    fn products(&self) -> ProductBuilder<'_> {
        ProductBuilder {
            gpu: self.gpu,
            weights: self.weights,
            state: &self.buffers.state,
            norm_eps: self.config.norm_eps,
            tuning: self.gpu.tuning().prefill,
            experts: self.gpu.tuning().prefill,
            prepared: None,
            groups: None,
        }
    }
}

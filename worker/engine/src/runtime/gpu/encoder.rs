//! The GPU implementation of [`Embedder`].

use std::sync::Arc;

use async_trait::async_trait;

use super::buffers::State;
use super::product::{Input, Output, ProductBuilder};
use super::self_test;
use super::weights::Weights;
use crate::error::Result;
use crate::kernels::Grid;
use crate::kernels::attention::{Attention, AttentionLayout};
use crate::kernels::linear::Epilogue;
use crate::kernels::norm::LayerNorm;
use crate::models::{CacheFormat, EncoderConfig, EncoderLayerPlan, EncoderPlan, GateUpPlan, NormPlan, UpPlan};
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
    /// `[context][embedding_len]`
    query: wgpu::Buffer,
    /// Keys, then values, in f16: `[context][embedding_len]` each
    kv: wgpu::Buffer,
    /// `[context][embedding_len]`
    attended: wgpu::Buffer,
    /// `[context][feed_forward_len]`
    activated: wgpu::Buffer,
    /// RoPE angles: `[context][rope_dim / 2]`
    rope: wgpu::Buffer,
}

impl Buffers {
    fn new(gpu: &Gpu, config: &EncoderConfig) -> Self {
        // Kernels read whole groups of tokens.
        let context = config.context.next_multiple_of(gpu.tuning().prefill.tokens);
        let floats = |label, len: u32| gpu.storage_buffer(label, u64::from(context) * u64::from(len) * 4);
        let positions: Vec<u32> = (0..context).collect();
        let angles = config.rope.as_ref().map(|rope| rope.angles(config.heads.rope_dim, context, None));
        Self {
            state: gpu.buffer("state", 16, wgpu::BufferUsages::UNIFORM),
            ids: floats("ids", 1),
            positions: gpu.storage_buffer_with("positions", &positions),
            types: gpu.storage_buffer_with("types", &vec![0u32; context as usize]),
            hidden: floats("hidden", config.embedding_len),
            query: floats("query", config.embedding_len),
            kv: floats("keys and values", config.embedding_len),
            attended: floats("attended", config.embedding_len),
            activated: floats("activated", config.feed_forward_len),
            rope: gpu.storage_buffer_with("rope", &angles.unwrap_or_else(|| vec![[1.0, 0.0]])),
        }
    }

    /// Offset of the values in `kv`, in words.
    fn value_offset(&self) -> u32 {
        (self.kv.size() / 8) as u32
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
        let buffers = Buffers::new(gpu, config);
        let program = Builder { gpu, config, weights: &weights, buffers: &buffers }.build(plan)?;
        Ok(Self { gpu: gpu.clone(), embedding_len: config.embedding_len, buffers, program, _weights: weights })
    }
}

#[async_trait(?Send)]
impl Embedder for GpuEncoder {
    async fn hidden(&mut self, ids: &[u32]) -> Result<Vec<f32>> {
        let state = State { position: 0, token_count: ids.len() as u32, step: 0, row: 0 };
        let queue = self.gpu.queue();
        queue.write_buffer(&self.buffers.state, 0, bytemuck::bytes_of(&state));
        queue.write_buffer(&self.buffers.ids, 0, bytemuck::cast_slice(ids));
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        self.program.iter().for_each(|dispatch| dispatch.encode(&mut pass, state.token_count));
        drop(pass);
        queue.submit([encoder.finish()]);
        let len_bytes = ids.len() as u64 * u64::from(self.embedding_len) * 4;
        self.gpu.read_buffer(&self.buffers.hidden, len_bytes).await
    }

    fn kernels_id(&self) -> Result<u64> {
        Ok(self_test::kernels_id(self.program.iter()))
    }

    async fn wrong_kernels(&self) -> Result<Vec<String>> {
        self.gpu.compile().await;
        self_test::wrong_kernels(&self.gpu, &self.buffers.kv, self.program.iter(), None).await
    }
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
        program.push(self.norm(plan.embedding_norm));
        for layer in &plan.layers {
            self.attention(&mut program, layer)?;
            self.feed_forward(&mut program, layer)?;
        }
        Ok(program)
    }

    fn attention(&self, program: &mut Vec<Dispatch>, layer: &EncoderLayerPlan) -> Result<()> {
        let (buffers, heads, width) = (self.buffers, self.config.heads, self.config.embedding_len);
        let value_offset = buffers.value_offset();
        let input = Input { bias: layer.qkv_bias, ..Input::new(&buffers.hidden) };
        let extra = [("kv", &buffers.kv), ("rope", &buffers.rope)];
        let epilogue = Epilogue::Qkv { heads, value_offset };
        let output = Output { epilogue, y: &buffers.query, rows: 3 * width, extra: &extra };
        self.products().push(program, &layer.qkv, &input, &output)?;
        let attention = Attention {
            heads,
            cache: CacheFormat::F16,
            value_offset,
            scale: (heads.head_dim as f32).sqrt().recip(),
            temperature: None,
            softcap: None,
            window: None,
            bidirectional: true,
            layout: AttentionLayout::Batch,
            splits: 1,
            workgroup: self.gpu.tuning().attention_workgroup,
        };
        let bound = [("state", &buffers.state), ("q", &buffers.query), ("kv", &buffers.kv), ("y", &buffers.attended)];
        let dispatch = Dispatch::new(self.gpu, &attention.shader(), &bound, attention.grids()[0]);
        program.push(dispatch.computing(Task::Attention(attention)));
        let input = Input { bias: layer.attention_output_bias, ..Input::new(&buffers.attended) };
        self.products().push(program, &layer.attention_output, &input, &self.add_to_hidden())?;
        program.push(self.norm(layer.attention_norm));
        Ok(())
    }

    fn feed_forward(&self, program: &mut Vec<Dispatch>, layer: &EncoderLayerPlan) -> Result<()> {
        let (buffers, activation) = (self.buffers, self.config.activation);
        let output =
            |epilogue| Output { epilogue, y: &buffers.activated, rows: self.config.feed_forward_len, extra: &[] };
        let input = Input::new(&buffers.hidden);
        match &layer.up {
            UpPlan::Plain(up, bias) => {
                let input = Input { bias: *bias, ..input };
                self.products().push(program, up, &input, &output(Epilogue::Activate(activation)))?;
            }
            UpPlan::Gated(GateUpPlan::Paired(both)) => {
                self.products().push(program, both, &input, &output(Epilogue::Gated(activation)))?;
            }
            UpPlan::Gated(GateUpPlan::Apart { gate, up }) => {
                self.products().push(program, gate, &input, &output(Epilogue::STORE))?;
                self.products().push(program, up, &input, &output(Epilogue::Gate(activation)))?;
            }
        }
        let input = Input { bias: layer.down_bias, ..Input::new(&buffers.activated) };
        self.products().push(program, &layer.down, &input, &self.add_to_hidden())?;
        program.push(self.norm(layer.output_norm));
        Ok(())
    }

    fn add_to_hidden(&self) -> Output<'_> {
        Output { epilogue: Epilogue::ADD, y: &self.buffers.hidden, rows: self.config.embedding_len, extra: &[] }
    }

    /// Layer norm of the hidden state.
    fn norm(&self, (weight, bias): NormPlan) -> Dispatch {
        let bound = [
            ("state", &self.buffers.state),
            ("x", &self.buffers.hidden),
            ("norm_weight", self.weights.vector(weight)),
            ("norm_bias", self.weights.vector(bias)),
        ];
        let (len, eps) = (self.config.embedding_len, self.config.norm_eps);
        let norm = LayerNorm { len, rms: false, bias: true, in_place: true, eps };
        Dispatch::new(self.gpu, &norm.shader(), &bound, Grid::TokensInX)
    }

    fn products(&self) -> ProductBuilder<'_> {
        ProductBuilder {
            gpu: self.gpu,
            weights: self.weights,
            state: &self.buffers.state,
            norm_eps: self.config.norm_eps,
            tuning: self.gpu.tuning().prefill,
            prepared: None,
        }
    }
}
